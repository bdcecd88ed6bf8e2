/**
 * What the user has agreed to among the things that a workspace brings along and that could run or steer: tools, servers, settings. Kept
 * outside every workspace. An agreement holds for one content, known by its hash; when that changes, the user is asked again.
 */
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { openJsonFile } from "./json-file.ts";
import { keepText, readKeptText } from "./trust-texts.ts";
import { parseTrustEntries, unusableTrust, type TrustEntry, type TrustKind } from "./trust-entry.ts";

export interface TrustItem {
  /** Absolute path of the workspace with links resolved. */
  workspace: string;
  kind: TrustKind;
  name: string;
  /** Of the canonical content, in hex: `toContentHash` of a file, `toCanonicalHash` of an entry in a list. */
  sha256: string;
}

export type TrustState = "trusted" | "new" | "changed";

/** Which agreements are meant; a field that is absent stands for all. */
export type TrustFilter = Partial<Pick<TrustItem, "workspace" | "kind" | "name">>;

export interface Agreement {
  /** Trusted to run outside the sandbox too. */
  outsideSandbox?: boolean;
  /** What was shown, so that the next question can show what has changed. */
  text?: string;
  /** What the item said of itself when it was agreed to, as JSON; later it cannot say anything else. */
  declaration?: unknown;
}

/**
 * Every method reads the file anew, so that what another agent or `lmagent trust` wrote holds at once. Each throws `AgentError`
 * `config_invalid` for a file that cannot be relied on (no JSON, a link, writable by others) and `storage_failed` when it cannot be
 * read or written: neither is ever taken for a yes.
 */
export interface TrustStore {
  check(item: TrustItem): TrustState;
  /** The agreement about an item of this workspace, kind and name, whatever its content was. */
  find(item: Omit<TrustItem, "sha256">): TrustEntry | undefined;
  list(filter?: TrustFilter): TrustEntry[];
  /** The text that an entry was agreed with; absent when it was not kept or is not the same any more. */
  textOf(entry: TrustEntry): string | undefined;
  add(item: TrustItem, agreement?: Agreement): Promise<TrustEntry>;
  /** Returns what was taken away. */
  revoke(filter: TrustFilter): Promise<TrustEntry[]>;
}

export interface TrustStoreOptions {
  /** Absolute path of `trust.json`. Its folder is made when it is first written. */
  file: string;
  now: () => Date;
}

export function createTrustStore({ file, now }: TrustStoreOptions): TrustStore {
  const texts = join(dirname(file), "trusted");
  const stored = openJsonFile({ file, unusable: (why) => unusableTrust(file, why) });
  const read = (): TrustEntry[] => parseTrustEntries(stored.read(), file);
  const find = (item: TrustFilter): TrustEntry | undefined => read().find((entry) => matches(entry, item));
  return {
    check(item) {
      const entry = find(toKey(item));
      if (entry === undefined) return "new";
      return entry.sha256 === item.sha256 ? "trusted" : "changed";
    },
    find: (item) => find(toKey(item)),
    list: (filter = {}) => read().filter((entry) => matches(entry, filter)),
    textOf: ({ sha256 }) => readKeptText(texts, sha256),
    async add(item, { outsideSandbox = false, text, declaration } = {}) {
      const entry: TrustEntry = {
        ...toKey(item),
        sha256: item.sha256,
        decidedAt: now().toISOString(),
        sandboxed: !outsideSandbox,
        ...(declaration === undefined ? {} : { declaration }),
      };
      await stored.update((before) => {
        const others = parseTrustEntries(before, file).filter((other) => !matches(other, toKey(item)));
        return { version: 1, entries: [...others, entry] };
      });
      if (text !== undefined) keepText(texts, text);
      return entry;
    },
    async revoke(filter) {
      let revoked: TrustEntry[] = [];
      await stored.update((before) => {
        const entries = parseTrustEntries(before, file);
        revoked = entries.filter((entry) => matches(entry, filter));
        return { version: 1, entries: entries.filter((entry) => !revoked.includes(entry)) };
      });
      return revoked;
    },
  };
}

function toKey({ workspace, kind, name }: Omit<TrustItem, "sha256">): Omit<TrustItem, "sha256"> {
  return { workspace, kind, name };
}

function matches(entry: TrustEntry, filter: TrustFilter): boolean {
  return (["workspace", "kind", "name"] as const).every(
    (field) => filter[field] === undefined || filter[field] === entry[field],
  );
}

/** For an item that is a file. */
export function toContentHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** For an item that is an entry in a list: the same for any order of keys. Throws `TypeError` for what is no plain JSON. */
export function toCanonicalHash(value: unknown): string {
  return createHash("sha256").update(toCanonicalJson(value)).digest("hex");
}

function toCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toCanonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, field]) => `${JSON.stringify(key)}:${toCanonicalJson(field)}`);
    return `{${fields.join(",")}}`;
  }
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError(`A ${typeof value} cannot be hashed as JSON.`);
  return text;
}
