/**
 * Shares a model's slots among requests: the slot that already holds the longest beginning of the prompt, else the one that
 * rested longest; when all are busy, first come first served.
 */
import { AgentError } from "../core/errors.ts";
import type { LlamaSlot, Token } from "./llama.ts";
import type { SlotState } from "./protocol.ts";

/** A longer queue would only hide that the machine cannot keep up. */
const QUEUE_LIMIT = 64;

export interface SlotPool {
  /** Waits for a slot. Throws `AgentError` `engine_failed` (reason `queue_full`) when too many wait already, and the signal's reason on abort. */
  acquire(tokens: readonly Token[], options: { slot?: number; signal: AbortSignal }): Promise<LlamaSlot>;
  release(slot: LlamaSlot): void;
  states(): SlotState[];
}

interface Waiter {
  tokens: readonly Token[];
  slot: number | undefined;
  resolve: (slot: LlamaSlot) => void;
}

export function createSlotPool(slots: readonly LlamaSlot[]): SlotPool {
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

  async function enqueue(
    tokens: readonly Token[],
    { slot, signal }: { slot?: number; signal: AbortSignal },
  ): Promise<LlamaSlot> {
    signal.throwIfAborted();
    const now = take({ tokens, slot });
    if (now !== undefined) return now;
    if (waiters.length >= QUEUE_LIMIT) throw queueFull();
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

function queueFull(): AgentError {
  const message = `${QUEUE_LIMIT} requests are waiting already. Try again later, or run fewer agents at once.`;
  return new AgentError("engine_failed", message, { data: { reason: "queue_full" } });
}

/** A slot's content is worth keeping in use only when most of it is used; a shared system message alone is not enough. */
function chooseSlot(free: readonly LlamaSlot[], tokens: readonly Token[]): LlamaSlot | undefined {
  const scored = free.map((slot) => ({ slot, prefix: slot.prefixLength(tokens) }));
  const best = scored.toSorted((a, b) => b.prefix - a.prefix)[0];
  if (best !== undefined && best.prefix > 0 && best.prefix >= best.slot.length / 2) return best.slot;
  return free.find((slot) => slot.length === 0) ?? free[0];
}
