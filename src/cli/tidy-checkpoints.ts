import type { SessionRequest, SessionStore, SessionSummary } from "../core/session.ts";
import type { FileCheckpoints } from "../workspace/index.ts";

export interface CheckpointUsers {
  checkpoints: FileCheckpoints;
  sessions: SessionStore;
  /** The session that is open. */
  open?: string | undefined;
  /** Of that session. */
  requests: readonly SessionRequest[];
}

/** Removes checkpoints that no session names. A session that was copied names those of its original, also when that is gone. */
export async function tidyCheckpoints({
  checkpoints,
  sessions,
  open,
  requests,
}: CheckpointUsers): Promise<void> {
  const listed = await sessions.list();
  const named = new Set(toCheckpoints(requests));
  for (const { id } of orphans(listed)) for (const each of await inherited(sessions, id)) named.add(each);
  await checkpoints.prune({ sessions: new Set(listed.map(({ id }) => id)), open, checkpoints: named });
}

export function toCheckpoints(requests: readonly SessionRequest[]): string[] {
  return requests.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint]));
}

/** Copies of what is gone, and copies of these. */
function orphans(listed: readonly SessionSummary[]): SessionSummary[] {
  const byId = new Map(listed.map((each) => [each.id, each]));
  return listed.filter((each) => {
    const passed = new Set<SessionSummary>();
    for (let at = each; at.forkedFrom !== undefined && !passed.has(at);) {
      passed.add(at);
      const above = byId.get(at.forkedFrom);
      if (above === undefined) return true;
      at = above;
    }
    return false;
  });
}

/** What a copy took over never grows, so it is read once. */
const read = new WeakMap<SessionStore, Map<string, readonly string[]>>();

async function inherited(sessions: SessionStore, id: string): Promise<readonly string[]> {
  const known = read.get(sessions) ?? new Map<string, readonly string[]>();
  read.set(sessions, known);
  const found = known.get(id) ?? (await readCheckpoints(sessions, id));
  known.set(id, found);
  return found;
}

/** Of a session that cannot be read, nothing can be undone. */
async function readCheckpoints(sessions: SessionStore, id: string): Promise<readonly string[]> {
  try {
    return toCheckpoints((await sessions.read(id)).requests);
  } catch {
    return [];
  }
}
