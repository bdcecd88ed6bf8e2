/** Folds the records of one branch, from the first to the last, into what they come to. */
import { applyCompaction } from "../core/compaction.ts";
import { AgentError } from "../core/errors.ts";
import { messageText, type Message } from "../core/message.ts";
import type { SessionHeader, SessionRecord, SessionRequest, SessionState } from "../core/session.ts";
import { applyTaskStateRecord } from "../core/task-state-record.ts";
import { beginsRequest } from "../core/transcript.ts";
import { toTask } from "./overview.ts";
import { pairCalls } from "./pairing.ts";
import { isKnownRecord } from "./record.ts";
import type { StoredRecord } from "./record.ts";

/** Messages that all compactions of a session keep, together: so many that only a made-up file has more. */
const MOST_KEPT = 5_000_000;

type Folded = { -readonly [Key in keyof SessionState]: SessionState[Key] };

export interface Replayed {
  /** `messages` as they are stored: calls may lack their results, or have them elsewhere. */
  state: SessionState;
  /** Messages that were ever added, the system message left out. */
  count: number;
}

/** Throws `session_corrupt` for what the agent never writes. */
export function replay(header: SessionHeader, branch: readonly StoredRecord[]): Replayed {
  const fold = new Fold(header);
  for (const record of branch) if (isKnownRecord(record)) fold.add(record);
  return fold.end();
}

/** What the user asked for: not what we said in the user's place, and not what joined a request that was under way. */
export function isRequest(record: StoredRecord): record is Extract<SessionRecord, { type: "message" }> {
  return isKnownRecord(record) && record.type === "message" && beginsRequest(record.message, record.note);
}

class Fold {
  readonly #requests: SessionRequest[] = [];
  readonly #state: Folded;
  #messages: Message[] = [];
  #count = 0;
  #kept = 0;

  constructor(header: SessionHeader) {
    this.#state = { header, messages: [], todos: [], requests: this.#requests, interrupted: [] };
  }

  add(record: SessionRecord): void {
    switch (record.type) {
      case "message":
        return this.#addMessage(record);
      case "compaction":
        return this.#compact(record);
      case "checkpoint":
        return this.#addCheckpoint(record.checkpoint);
      case "todos":
        this.#state.todos = record.todos;
        return undefined;
      case "plan":
        this.#state.plan = record.plan;
        return undefined;
      case "task_state":
        this.#state.taskState = applyTaskStateRecord(this.#state.taskState, record);
        return undefined;
      case "server": {
        const { baseUrl, slot, bytesPerToken, tokens } = record;
        this.#state.server = {
          baseUrl,
          ...(slot === undefined ? {} : { slot }),
          ...(bytesPerToken === undefined ? {} : { bytesPerToken }),
          ...(tokens === undefined ? {} : { tokens }),
        };
        return undefined;
      }
      case "mode":
        this.#state.mode = record.mode;
        return undefined;
      case "undone":
        if (record.mode !== undefined) this.#state.mode = record.mode;
        return undefined;
      case "run_started":
        delete this.#state.lastReason;
        return undefined;
      case "run_finished":
        this.#state.lastReason = record.reason;
        return undefined;
    }
  }

  end(): Replayed {
    return { state: { ...this.#state, messages: this.#messages }, count: this.#count };
  }

  #addMessage(record: Extract<SessionRecord, { type: "message" }>): void {
    const { id, message } = record;
    // A second set of orders in the middle of a conversation was not written by us, and many chat templates refuse it.
    if (message.role === "system" && this.#messages.length > 0)
      throw this.#toCorruptError(
        `has a system message in the middle (record \`${id}\`), which the agent never writes`,
        id,
      );
    this.#messages.push(message);
    if (message.role !== "system") this.#count += 1;
    if (isRequest(record)) this.#requests.push({ text: toTask(messageText(message)) });
  }

  /** A process that goes on from a log counts in the paired conversation, so that is what the parts refer to. */
  #compact({ id, parts }: Extract<SessionRecord, { type: "compaction" }>): void {
    const before = pairCalls(this.#messages).messages;
    const after = applyCompaction(before, parts);
    this.#kept += before.length;
    if (after === undefined || this.#kept > MOST_KEPT || !hasSameSystem(before, after))
      throw this.#toCorruptError(
        `has a compaction that does not fit the conversation before it (record \`${id}\`)`,
        id,
      );
    this.#messages = after;
  }

  /** The first one says what the files were before the request. */
  #addCheckpoint(checkpoint: string): void {
    const request = this.#requests.at(-1);
    if (request !== undefined) request.checkpoint ??= checkpoint;
  }

  #toCorruptError(what: string, record: string): AgentError {
    const { id } = this.#state.header;
    return new AgentError(
      "session_corrupt",
      `Session \`${id}\` ${what}. Nothing was changed. Keep a copy of its file, then cut it off before that line to go on from there, or start a new session.`,
      { data: { id, record } },
    );
  }
}

/** A compaction changes nothing about the orders. */
function hasSameSystem(before: readonly Message[], after: readonly Message[]): boolean {
  const first = before[0]?.role === "system" ? before[0] : undefined;
  if (first !== undefined && after[0] !== first) return false;
  return after.every(({ role }, index) => role !== "system" || (index === 0 && first !== undefined));
}
