/**
 * Shares a model's slots among requests: the slot that already holds the longest beginning of the prompt, else the one that
 * rested longest; when all are busy, first come first served.
 */
import { AgentError } from "../../core/errors.ts";
import type { Token } from "./llama-addon.ts";
import type { LlamaSlot } from "./llama-slot.ts";
import type { SlotState } from "../protocol.ts";

/** A longer queue would only hide that the machine cannot keep up. */
const DEFAULT_QUEUE_LIMIT = 64;

export interface SlotPool {
  /**
   * Waits for a slot; rejects with the signal's reason on abort. When too many wait already it throws `AgentError` `engine_failed`
   * (reason `queue_full`) at once, so that who is in the queue knows it.
   */
  acquire(
    tokens: readonly Token[],
    options: { slot?: number | undefined; signal: AbortSignal },
  ): Promise<LlamaSlot>;
  release(slot: LlamaSlot): void;
  states(): SlotState[];
}

interface Waiter {
  tokens: readonly Token[];
  slot: number | undefined;
  resolve: (slot: LlamaSlot) => void;
}

export function createSlotPool(
  slots: readonly LlamaSlot[],
  { queueLimit = DEFAULT_QUEUE_LIMIT }: { queueLimit?: number | undefined } = {},
): SlotPool {
  /** Least recently used first. */
  let free = [...slots];
  let waiters: Waiter[] = [];
  let tasks = 0;
  const lastTasks = new Map<LlamaSlot, number>();

  const take = ({ tokens, slot }: Pick<Waiter, "tokens" | "slot">): LlamaSlot | undefined => {
    const chosen = slot === undefined ? chooseSlot(free, tokens) : free.find(({ index }) => index === slot);
    if (chosen === undefined) return undefined;
    free = free.filter((one) => one !== chosen);
    lastTasks.set(chosen, tasks);
    tasks += 1;
    return chosen;
  };

  return {
    acquire: enqueue,
    states: () =>
      slots.map((slot) => {
        const lastTask = lastTasks.get(slot);
        const state = { index: slot.index, busy: !free.includes(slot), tokens: slot.length };
        return lastTask === undefined ? state : { ...state, lastTask };
      }),
    release: (slot) => {
      free.push(slot);
      for (const waiter of waiters) {
        const chosen = take(waiter);
        if (chosen === undefined) continue;
        waiters = waiters.filter((one) => one !== waiter);
        waiter.resolve(chosen);
      }
    },
  };

  function enqueue(
    tokens: readonly Token[],
    { slot, signal }: { slot?: number | undefined; signal: AbortSignal },
  ): Promise<LlamaSlot> {
    signal.throwIfAborted();
    const now = take({ tokens, slot });
    if (now !== undefined) return Promise.resolve(now);
    if (waiters.length >= queueLimit) throw queueFull(waiters.length);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        waiters = waiters.filter((one) => one !== waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        tokens,
        slot,
        resolve: (chosen) => {
          signal.removeEventListener("abort", onAbort);
          resolve(chosen);
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      waiters.push(waiter);
    });
  }
}

function queueFull(waiting: number): AgentError {
  const message = `${waiting} requests are waiting already. Try again later, or run fewer agents at once.`;
  return new AgentError("engine_failed", message, { data: { reason: "queue_full" } });
}

/** A slot's content is worth keeping in use only when most of it is used; a shared system message alone is not enough. */
function chooseSlot(free: readonly LlamaSlot[], tokens: readonly Token[]): LlamaSlot | undefined {
  const best = longestPrefix(free, tokens);
  if (best !== undefined && best.prefix > 0 && best.prefix >= best.slot.length / 2) return best.slot;
  return free.find((slot) => slot.length === 0) ?? free[0];
}

/** Copying less than this takes longer than reading it again, or nearly. */
const COPIED_TOKENS = 128;

/** Another slot that holds so much more of the prompt's beginning than this one that copying it pays; it may be in use. */
export function findDonor(
  slots: readonly LlamaSlot[],
  { slot, tokens }: { slot: LlamaSlot; tokens: readonly Token[] },
): LlamaSlot | undefined {
  const others = slots.filter((one) => one !== slot);
  const best = longestPrefix(others, tokens);
  if (best === undefined || best.prefix < slot.prefixLength(tokens) + COPIED_TOKENS) return undefined;
  // All that it holds is copied, so what is wanted has to be a good part of it.
  return best.prefix * 4 >= best.slot.length ? best.slot : undefined;
}

function longestPrefix(
  slots: readonly LlamaSlot[],
  tokens: readonly Token[],
): { slot: LlamaSlot; prefix: number } | undefined {
  return slots
    .map((slot) => ({ slot, prefix: slot.prefixLength(tokens) }))
    .toSorted((a, b) => b.prefix - a.prefix)[0];
}
