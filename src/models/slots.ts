/**
 * Which KV slot of a server a conversation keeps, so that nobody else's prompt takes the place of its own. A slot is chosen once a role
 * and kept; two agents on one server take different slots as long as there are free ones.
 */
import { toObject } from "./json.ts";

/** One slot as `GET /slots` of llama-server shows it, and as ours does. */
export interface SlotState {
  id: number;
  /** A request is running on it. */
  busy: boolean;
  /** It holds somebody's prompt. */
  used: boolean;
  /** Number of its newest request, counted up by the server over all slots. */
  lastTask?: number;
  /** Tokens that it holds, where the server tells. */
  tokens?: number;
}

export interface SlotWish {
  /** The slot of this conversation when it was last open, which may still hold its prompt. */
  prefer?: number | undefined;
  /** Slots that are known to be somebody's, busy or not. */
  avoid?: readonly number[] | undefined;
}

const MOST_SLOTS = 1_024;

/** Reads the answer of `GET /slots`; `undefined` when it is none. Fields differ by version: an unused slot has no task, or task -1. */
export function readSlots(answer: unknown): SlotState[] | undefined {
  if (!Array.isArray(answer) || answer.length === 0 || answer.length > MOST_SLOTS) return undefined;
  const slots = answer.map(readSlot);
  const known = slots.filter((slot) => slot !== undefined);
  const ids = new Set(known.map(({ id }) => id));
  return known.length === slots.length && ids.size === slots.length ? known : undefined;
}

function readSlot(value: unknown): SlotState | undefined {
  const slot = toObject(value);
  const id = toCount(slot["id"]);
  const busy = slot["is_processing"] ?? (typeof slot["state"] === "number" ? slot["state"] !== 0 : undefined);
  if (id === undefined || typeof busy !== "boolean") return undefined;
  const tokens = toCount(slot["n_prompt_tokens"]);
  const lastTask = toCount(slot["id_task"]);
  const hasPrompt = typeof slot["prompt"] === "string" && slot["prompt"] !== "";
  return {
    id,
    busy,
    used: busy || lastTask !== undefined || hasPrompt || (tokens ?? 0) > 0,
    ...(lastTask === undefined ? {} : { lastTask }),
    ...(tokens === undefined ? {} : { tokens }),
  };
}

function toCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/**
 * The slot for a new conversation: the preferred one, else one that nobody has used, else the one that rested longest, whose conversation is
 * most likely over, or, where that is not told, the one that holds least. `undefined`: there is but one, or none is free; the server
 * decides then. `random` gives a number from 0 up to 1, for two agents that start in the same moment.
 */
export function chooseSlot(
  slots: readonly SlotState[],
  { prefer, avoid = [] }: SlotWish,
  random: () => number,
): number | undefined {
  if (slots.length < 2) return undefined;
  const free = slots.filter(({ id, busy }) => !busy && !avoid.includes(id));
  if (free.some(({ id }) => id === prefer)) return prefer;
  const unused = free.filter(({ used }) => !used);
  if (unused.length > 0) return pick(unused, random)?.id;
  const timed = free.every(({ lastTask }) => lastTask !== undefined);
  const worth = ({ lastTask, tokens }: SlotState): number =>
    (timed ? lastTask : tokens) ?? Number.POSITIVE_INFINITY;
  const least = Math.min(...free.map(worth));
  return pick(
    free.filter((slot) => worth(slot) === least),
    random,
  )?.id;
}

function pick(slots: readonly SlotState[], random: () => number): SlotState | undefined {
  return slots[Math.min(slots.length - 1, Math.floor(random() * slots.length))];
}

/**
 * Whether this server empties slots that rest: llama-server with one memory for all slots, which it has unless told how many, moves what they
 * held aside when another one begins. It finds that again only for requests that name no slot.
 * https://github.com/ggml-org/llama.cpp/pull/20993
 */
export function emptiesSlots(slots: readonly SlotState[]): boolean {
  return slots.some(({ busy, lastTask, tokens }) => !busy && lastTask !== undefined && tokens === 0);
}

export interface SlotOwner {
  /**
   * The slot of a role (`main`, the name of a sub-agent's role); `undefined`: send no `id_slot`. The same each time, also when there was none
   * free: to move a conversation later would cost its whole prompt.
   */
  acquire(role: string, wish?: SlotWish): Promise<number | undefined>;
}

/** `ask` fetches what `readSlots` reads. Roles of one owner never share a slot. */
export function createSlotOwner(
  ask: () => Promise<readonly SlotState[] | undefined>,
  random: () => number = Math.random,
): SlotOwner {
  const owned = new Map<string, number | undefined>();
  let last: Promise<unknown> = Promise.resolve();
  const take = async (role: string, wish: SlotWish): Promise<number | undefined> => {
    if (owned.has(role)) return owned.get(role);
    const others = [...owned.values()].filter((slot) => slot !== undefined);
    const avoid = [...(wish.avoid ?? []), ...others];
    const chosen = chooseSlot((await ask()) ?? [], { ...wish, avoid }, random);
    owned.set(role, chosen);
    return chosen;
  };
  return {
    // One after the other, or two roles would see the same slot free.
    acquire: (role, wish = {}) => {
      const taken = last.then(() => take(role, wish));
      last = taken.catch(() => undefined);
      return taken;
    },
  };
}
