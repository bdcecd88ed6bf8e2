/**
 * One sandbox is started ahead, while a command runs or the model thinks, and waits for the next command: what is slow about a
 * sandbox is then done. It has seen nothing of any command, and is taken only when it is exactly what would be started now.
 */
import { fstatSync } from "node:fs";
import type { HeldPin } from "./held-pins.ts";
import type { GuardedCommand } from "./git-guard.ts";
import { readPins, toPinKey } from "./pins.ts";
import type { PrestartedChild } from "./prestart.ts";
import type { RunAs } from "./workspace-root.ts";

/** An agent that nobody talks to needs none. */
const IDLE_MS = 5 * 60_000;

/**
 * Starting one holds up a command that runs meanwhile, so it waits until that is over, or has gone on for so long that nobody minds. Where
 * one command follows another more quickly than this, there is no better time, and it starts at once.
 */
const LET_RUN_MS = 15;
/** After a command its result goes to the model first: that matters more than a sandbox that is needed when the model has answered. */
const LET_ANSWER_MS = 10;

/** What a command needs of its sandbox before it is known what it does. */
export interface SpareWanted {
  user: RunAs;
  memoryMb: number;
  guarded: GuardedCommand;
}

/** What was started for it. */
export interface StartedSpare {
  child: PrestartedChild;
  pins: readonly HeldPin[];
  /** Of what is mounted from elsewhere. */
  systemState: string;
  /** Closes the pins. */
  release: () => void;
}

export interface SparesOptions {
  /** Path of the workspace. */
  root: string;
  start: (wanted: SpareWanted) => Promise<StartedSpare>;
  systemState: () => string;
}

export interface Spares {
  /** The waiting sandbox, if it fits; whoever takes it hands a command over or disposes of it. */
  take(wanted: SpareWanted): Promise<PrestartedChild | undefined>;
  /** Starts the next one soon, for a command like this, which starts now. Never throws. */
  begin(wanted: SpareWanted, ended: Promise<unknown>): void;
  /** Ends what waits, and waits for that. None is started any more. */
  end(): Promise<void>;
}

interface Spare extends StartedSpare {
  wanted: SpareWanted;
}

export function createSpares({ root, start, systemState }: SparesOptions): Spares {
  let current: Coming | undefined;
  let isOver = false;
  let lastEndMs = -Infinity;
  let idle: NodeJS.Timeout | undefined;
  const leaving = new Set<Promise<void>>();
  const withdraw = async (): Promise<Spare | undefined> => {
    clearTimeout(idle);
    const coming = current;
    current = undefined;
    return coming?.withdraw();
  };
  const discard = (spare: Spare | Promise<Spare | undefined>): void => {
    const left = leave(spare).finally(() => leaving.delete(left));
    leaving.add(left);
  };
  const prepare = async (wanted: SpareWanted): Promise<Spare | undefined> => {
    try {
      const spare = { ...(await start(wanted)), wanted };
      if (wanted.guarded.isPinnedByAll(toPinKey(spare.pins))) return spare;
      discard(spare);
    } catch {
      // Whatever it is, the next command meets it too and tells.
    }
    return undefined;
  };
  return {
    async take(wanted) {
      const spare = await withdraw();
      if (spare === undefined) return undefined;
      let isGood = false;
      try {
        isGood = !isOver && fits(spare, { wanted, root }) && spare.systemState === systemState();
      } finally {
        if (isGood) spare.release();
        else discard(spare);
      }
      return isGood ? spare.child : undefined;
    },
    begin(wanted, ended) {
      if (isOver) return;
      // What waits from before the last command fits none any more.
      discard(withdraw());
      const isHurried = performance.now() - lastEndMs < LET_RUN_MS;
      const over = ended.then(noteEnd, noteEnd);
      current = comeAfter(isHurried ? undefined : over, () => prepare(wanted));
      idle = setTimeout(() => discard(withdraw()), IDLE_MS).unref();
    },
    async end() {
      isOver = true;
      discard(withdraw());
      await Promise.all(leaving);
    },
  };
  function noteEnd(): void {
    lastEndMs = performance.now();
  }
}

interface Coming {
  /** The spare, if it has at least begun; otherwise it never does. */
  withdraw(): Promise<Spare | undefined>;
}

function comeAfter(over: Promise<void> | undefined, prepare: () => Promise<Spare | undefined>): Coming {
  let spare: Promise<Spare | undefined> | undefined;
  let isWithdrawn = false;
  let rest: NodeJS.Timeout | undefined;
  // Whoever waits for the end of the command comes first.
  const begin = (): void =>
    void setImmediate(() => {
      if (!isWithdrawn) spare ??= prepare();
    });
  const timer = over === undefined ? undefined : setTimeout(begin, LET_RUN_MS).unref();
  if (over === undefined) begin();
  else void over.then(() => (rest = setTimeout(begin, LET_ANSWER_MS).unref()));
  return {
    async withdraw() {
      isWithdrawn = true;
      clearTimeout(timer);
      clearTimeout(rest);
      return spare;
    },
  };
}

async function leave(leaving: Spare | Promise<Spare | undefined>): Promise<void> {
  const spare = await leaving;
  spare?.release();
  await spare?.child[Symbol.asyncDispose]();
}

/**
 * A mount is lost when what is below it is moved away or deleted from elsewhere, and another sandbox is elsewhere. So a spare is good only
 * when the commands since its start were those that cannot do so, since they had the same pins, and when nobody else did: the pins are
 * where they were, nothing of the kind that changes a file's links happened to them, and their numbers are not those of new ones,
 * which holding them open sees to.
 */
function fits(spare: Spare, { wanted, root }: { wanted: SpareWanted; root: string }): boolean {
  const { user, memoryMb, guarded } = spare.wanted;
  const now = wanted.guarded;
  const key = toPinKey(spare.pins);
  const isAlike =
    spare.child.isWaiting() &&
    user.uid === wanted.user.uid &&
    user.gid === wanted.user.gid &&
    memoryMb === wanted.memoryMb &&
    now.order === guarded.order + 1;
  if (!isAlike || toPinKey(readPins(root, now.repositories)) !== key) return false;
  now.pinned(key);
  return now.isPinnedByAll(key) && spare.pins.every(isUnchanged);
}

function isUnchanged({ kind, descriptor, changedMs }: HeldPin): boolean {
  return kind === "folder" || fstatSync(descriptor).ctimeMs === changedMs;
}
