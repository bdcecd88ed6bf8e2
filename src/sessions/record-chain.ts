import type { SessionEntry } from "../core/session.ts";
import type { StoredRecord } from "./record.ts";

/** Where a record goes. */
export interface RecordPlace {
  /** The record before it; null: none. */
  parent: string | null;
  /** Messages up to there. */
  count: number;
}

/** Numbers the records of one open session: each follows the one before it. */
export class RecordChain {
  readonly #now: () => number;
  #last: string | null;
  #next: number;
  #count: number;

  /** `stored` are all records of the file; new ones follow the last of them. `count`: messages so far. */
  constructor(now: () => number, stored: readonly StoredRecord[], count: number) {
    this.#now = now;
    this.#last = stored.at(-1)?.id ?? null;
    this.#next =
      stored.reduce((most, { id }) => (/^\d{1,15}$/.test(id) ? Math.max(most, Number(id)) : most), 0) + 1;
    this.#count = count;
  }

  /** The record that `entry` would become, behind the last one or elsewhere; nothing changes before `commit`. */
  prepare(
    entry: SessionEntry,
    place: RecordPlace = { parent: this.#last, count: this.#count },
  ): StoredRecord {
    const count = place.count + (entry.type === "message" && entry.message.role !== "system" ? 1 : 0);
    return {
      id: String(this.#next),
      parent: place.parent,
      at: new Date(this.#now()).toISOString(),
      count,
      ...entry,
    };
  }

  commit(record: StoredRecord): void {
    this.#last = record.id;
    this.#next += 1;
    this.#count = record.count ?? this.#count;
  }
}
