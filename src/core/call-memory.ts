/**
 * Answers a read-only call that was made before, when nothing can have changed since. It never answers the same call twice in a
 * row without running it: what changes by itself, such as a log, is seen one turn later at the latest.
 */
import { toCanonicalJson } from "./digest.ts";
import { fingerprint } from "./fingerprint.ts";
import { signCall } from "./observed-call.ts";
import type { ToolAccess, ToolResult } from "./tool.ts";

/** So many times a call has run with the same result before it is answered from memory. */
const RUNS_BEFORE = 2;

export interface RecalledResult {
  result: ToolResult;
  /** Of the call and the result that it had, as `signCall` makes it. */
  signature: string;
}

interface Made {
  signature: string;
  runs: number;
  turn: number;
  /** It was answered from memory and has not run since. */
  answered: boolean;
  /** Its result was another one before, so it may be again. */
  varies: boolean;
}

interface Call {
  id: string;
  name: string;
  arguments: unknown;
}

export class CallMemory {
  readonly #made = new Map<string, Made>();

  /** The answer to a call that need not run. */
  recall(call: Call, access: ToolAccess): RecalledResult | undefined {
    if (access !== "read") return undefined;
    const made = this.#made.get(keyOf(call));
    if (made === undefined || made.answered || made.varies || made.runs < RUNS_BEFORE) return undefined;
    made.answered = true;
    const output = `You made this call already in turn ${made.turn}, and nothing has changed since. Its result is above. Do not make it again.`;
    return { result: { ok: true, output }, signature: made.signature };
  }

  /** A call is about to run: what is no plain look may change what others have seen. */
  noteStart(access: ToolAccess): void {
    if (access !== "read" && access !== "control") this.forget();
  }

  /** A call has run. */
  noteEnd(
    call: Call,
    { access, result, turn }: { access: ToolAccess; result: ToolResult; turn: number },
  ): void {
    if (access !== "read" || !result.ok) return;
    const key = keyOf(call);
    const signature = signCall(call, result);
    const before = this.#made.get(key);
    const same = before === undefined || before.signature === signature;
    this.#made.set(key, {
      signature,
      runs: same ? (before?.runs ?? 0) + 1 : 1,
      turn,
      answered: false,
      varies: !same || (before?.varies ?? false),
    });
  }

  /** What was seen is no longer there, or no longer true. */
  forget(): void {
    this.#made.clear();
  }
}

function keyOf({ name, arguments: args }: Call): string {
  return fingerprint(`${name} ${toCanonicalJson(args)}`);
}
