/** What several calls have changed together: for each path what was there first, what the last of them left, and whether that is sure. */
import { isSame, type PathState, type Step } from "./file-state.ts";
import type { CallStart, Manifest } from "./manifest.ts";
import { damaged } from "./packs.ts";
import { readTree } from "./trees.ts";

/** A process that is killed leaves a handful, and a disk that stays full some more. */
const MAX_CUT_OFF = 1_000;

export interface NetChange {
  path: string;
  before: PathState;
  after: PathState;
  /** Somebody else may have changed it between the calls, or while one of them was cut off. */
  disputed: boolean;
}

/** What the net is made from. */
export interface NetSources {
  readObject(hash: string): Promise<Buffer>;
  /** What is at a path now. */
  now(path: string): Promise<PathState>;
  /** Paths of the whole workspace now. */
  allNow(): Promise<Iterable<string>>;
}

interface Call {
  /** `undefined` for one that never said that it ended. */
  steps: readonly Step[] | undefined;
  /** What was there before an unfinished one. */
  before: ReadonlyMap<string, PathState>;
  /** It could have changed anything. */
  isCommand: boolean;
}

/** Manifests oldest first. Paths whose changes cancel each other out are left out. */
export async function toNetChanges(
  manifests: readonly Manifest[],
  given: NetSources,
): Promise<Map<string, NetChange>> {
  const calls: Call[] = [];
  refuseCutOff(manifests);
  const sources = remembering(given);
  for (const { starts, ends } of manifests)
    for (const start of starts) calls.push(await toCall(start, ends.get(start.call), sources));
  const net = new Map<string, NetChange>();
  for (const [index, call] of calls.entries()) {
    const steps = call.steps ?? (await guessSteps(call, calls.slice(index + 1), sources));
    for (const step of steps) addStep(net, step);
  }
  for (const [path, { before, after }] of net) if (isSame(before, after)) net.delete(path);
  return net;
}

function refuseCutOff(manifests: readonly Manifest[]): void {
  const cutOff = manifests.flatMap(({ starts, ends }) => starts.filter(({ call }) => !ends.has(call)));
  if (cutOff.length > MAX_CUT_OFF) throw damaged(`it has ${cutOff.length} calls that were cut off`);
}

/** The workspace is looked at once, however many calls were cut off. */
function remembering({ readObject, now, allNow }: NetSources): NetSources {
  const states = new Map<string, Promise<PathState>>();
  let all: Promise<Iterable<string>> | undefined;
  return {
    readObject,
    now: (path) => {
      const state = states.get(path) ?? now(path);
      states.set(path, state);
      return state;
    },
    allNow: () => (all ??= allNow().then((paths) => [...paths])),
  };
}

async function toCall(start: CallStart, steps: Step[] | undefined, sources: NetSources): Promise<Call> {
  if ("before" in start) return { steps, isCommand: false, before: new Map(start.before) };
  if (steps !== undefined) return { steps, isCommand: true, before: new Map() };
  const before = await readTree(start.tree, (hash) => sources.readObject(hash));
  return { steps, isCommand: true, before };
}

function addStep(net: Map<string, NetChange>, { path, before, after, uncertain }: Step): void {
  const earlier = net.get(path);
  if (earlier === undefined) {
    net.set(path, { path, before, after, disputed: uncertain === true });
    return;
  }
  earlier.disputed ||= uncertain === true || !isSame(earlier.after, before);
  earlier.after = after;
}

/**
 * Of a call that was cut off only what was there before it is known. What is there now, or was when a later call looked, may be its
 * doing or somebody else's: it counts as changed, and as disputed.
 */
async function guessSteps(call: Call, later: readonly Call[], sources: NetSources): Promise<Step[]> {
  const paths = new Set(call.before.keys());
  if (call.isCommand) for (const path of await sources.allNow()) paths.add(path);
  const next = new Map<string, PathState>();
  for (const { steps, before } of later.toReversed()) {
    for (const [path, state] of before) next.set(path, state);
    for (const step of steps?.toReversed() ?? []) next.set(step.path, step.before);
  }
  const steps: Step[] = [];
  for (const path of paths) {
    const before = call.before.get(path) ?? null;
    const known = next.get(path);
    const after = known === undefined ? await sources.now(path) : known;
    if (!isSame(before, after)) steps.push({ path, before, after, uncertain: true });
  }
  return steps;
}
