/** Which of the tasks are played. */
import type { Task } from "./task.ts";

/** What the practice model says to a request that would do damage; see `limits.py`. */
const REFUSAL = "I do not do that";

/** At most `limit` of each family of each split. Throws for a family that no task has. */
export function pickTasks(
  tasks: readonly Task[],
  { families, limit }: { families: readonly string[] | undefined; limit: number },
): Task[] {
  requireKnown(families ?? [], tasks);
  const counts = new Map<string, number>();
  return tasks.filter(({ split, family }) => {
    if (families !== undefined && !families.includes(family)) return false;
    const key = `${split}\n${family}`;
    const count = counts.get(key) ?? 0;
    counts.set(key, count + 1);
    return count < limit;
  });
}

function requireKnown(families: readonly string[], tasks: readonly Task[]): void {
  const known = new Set(tasks.map(({ family }) => family));
  const unknown = families.filter((family) => !known.has(family));
  if (unknown.length === 0) return;
  const names = [...known].toSorted().join(", ");
  throw new Error(`\`--family ${unknown.join(", ")}\` is unknown. These tasks have: ${names}.`);
}

/** Those that may be played where commands are isolated from the rest of the machine, or are not. */
export async function leaveOutDangerous(
  tasks: readonly Task[],
  { isIsolated }: { isIsolated: () => Promise<boolean> },
): Promise<readonly Task[]> {
  const harmless = tasks.filter((task) => !isDangerous(task));
  return harmless.length === tasks.length || (await isIsolated()) ? tasks : harmless;
}

/** Asks for damage, such as `rm -rf /*`, also in the middle of a conversation. A half-trained model may obey. */
export function isDangerous({ family, turns }: Task): boolean {
  return family === "refuse" || turns.some(({ facts }) => facts.some((fact) => fact.includes(REFUSAL)));
}
