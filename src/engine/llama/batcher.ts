/**
 * Puts what the sequences want evaluated into common batches: sequences that write go first, with a token or a few each, and prompts
 * fill what is left. While a batch is computed, everything else in this process goes on.
 */
import type { AddonContext, LogitIndex, Token } from "./llama-addon.ts";

export interface BatchItem {
  sequence: number;
  /** Where the first token comes to stand in its sequence. */
  position: number;
  tokens: readonly Token[];
  /** For how many tokens at the end the logits are wanted; with more than one, the tokens have to fit into one batch. */
  logits: number;
  /** Called with the places of these logits; the next batch, which overwrites them, waits for it. */
  onLogits?: (places: readonly LogitIndex[]) => Promise<void>;
}

export interface Batcher {
  /** Settles when every token is evaluated and `onLogits` is done. At most one call at a time for each sequence. */
  evaluate(item: BatchItem): Promise<void>;
  /** Runs `work` between two batches, for what must not happen during one. */
  between<Result>(work: () => Result | Promise<Result>): Promise<Result>;
}

interface Queued {
  item: BatchItem;
  done: number;
  resolve: () => void;
  reject: (error: unknown) => void;
}

type BatchContext = Pick<AddonContext, "initBatch" | "addToBatch" | "decodeBatch">;

export function createBatcher(context: BatchContext, { batchTokens }: { batchTokens: number }): Batcher {
  let queue: Queued[] = [];
  let errands: (() => Promise<void>)[] = [];
  let running = false;

  const wake = (): void => {
    if (running) return;
    running = true;
    // By then everything that was waiting for the last batch has said what it wants next.
    setImmediate(() => void run());
  };

  const run = async (): Promise<void> => {
    const due = errands;
    errands = [];
    for (const errand of due) await errand();
    if (queue.length > 0) await runBatch(queue, { context, batchTokens });
    queue = queue.filter(({ item, done }) => done < item.tokens.length);
    running = false;
    if (queue.length > 0 || errands.length > 0) wake();
  };

  return {
    evaluate: (item) =>
      new Promise((resolve, reject) => {
        queue.push({ item, done: 0, resolve, reject });
        wake();
      }),
    between: (work) =>
      new Promise((resolve, reject) => {
        errands.push(async () => {
          try {
            resolve(await work());
          } catch (thrown) {
            reject(thrown);
          }
        });
        wake();
      }),
  };
}

interface Part {
  queued: Queued;
  count: number;
}

/** The shortest first, so that no prompt keeps a sequence waiting that wants one token. */
function fillBatch(queue: readonly Queued[], batchTokens: number): Part[] {
  const parts: Part[] = [];
  let room = batchTokens;
  const left = ({ item, done }: Queued): number => item.tokens.length - done;
  for (const queued of queue.toSorted((a, b) => left(a) - left(b))) {
    const count = Math.min(room, left(queued));
    if (count === 0) break;
    // Guesses are judged together.
    if (queued.item.logits > 1 && count < left(queued)) continue;
    parts.push({ queued, count });
    room -= count;
  }
  return parts;
}

async function runBatch(
  queue: readonly Queued[],
  { context, batchTokens }: { context: BatchContext; batchTokens: number },
): Promise<void> {
  const parts = fillBatch(queue, batchTokens);
  try {
    context.initBatch(parts.reduce((sum, { count }) => sum + count, 0));
    const places = parts.map((part) => addPart(context, part));
    await context.decodeBatch();
    await Promise.all(parts.map((part, at) => finishPart(part, places[at] ?? [])));
  } catch (thrown) {
    for (const { queued } of parts) {
      queued.done = queued.item.tokens.length;
      queued.reject(thrown);
    }
  }
}

function addPart(context: BatchContext, { queued, count }: Part): readonly LogitIndex[] {
  const { item, done } = queued;
  const firstWanted = item.tokens.length - item.logits;
  const wanted: number[] = [];
  for (let at = Math.max(done, firstWanted); at < done + count; at += 1) wanted.push(at - done);
  const tokens = Uint32Array.from(item.tokens.slice(done, done + count));
  const places = context.addToBatch(item.sequence, item.position + done, tokens, Uint32Array.from(wanted));
  return Array.from(places) as LogitIndex[];
}

/** A failure of one sequence's sampling is that sequence's alone. */
async function finishPart({ queued, count }: Part, places: readonly LogitIndex[]): Promise<void> {
  queued.done += count;
  try {
    if (places.length > 0) await queued.item.onLogits?.(places);
    if (queued.done === queued.item.tokens.length) queued.resolve();
  } catch (thrown) {
    queued.done = queued.item.tokens.length;
    queued.reject(thrown);
  }
}
