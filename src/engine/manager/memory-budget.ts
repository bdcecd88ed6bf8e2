/** Who has to go before another model fits. */

/** Bytes. */
export interface MemoryUse {
  requiredBytes: number;
  /** Of these, on a GPU. */
  gpuBytes: number;
}

/** A loaded model, as the budget sees it. */
export interface Resident {
  readonly residentBytes: number;
  readonly users: number;
  readonly onDemand: boolean;
  /** Number of its newest use, counted up over all models. */
  readonly lastUse: number;
  readonly state: "loading" | "ready" | "unloading";
}

export interface Room {
  requiredBytes: number;
  budgetBytes: number;
  maxModels: number;
}

/**
 * `evict`: these, in this order, none when there is room already; `wait`: what is in use has to become free first; `never`: it would not
 * fit even alone.
 */
export type RoomAnswer<Model extends Resident> =
  | { type: "evict"; models: readonly Model[] }
  | { type: "wait" }
  | { type: "never" };

export function findRoom<Model extends Resident>(
  residents: readonly Model[],
  { requiredBytes, budgetBytes, maxModels }: Room,
): RoomAnswer<Model> {
  if (requiredBytes > budgetBytes || maxModels < 1) return { type: "never" };
  const models: Model[] = [];
  let count = residents.length;
  let used = sumBytes(residents);
  const fits = (): boolean => count < maxModels && used + requiredBytes <= budgetBytes;
  for (const model of toEvictionOrder(residents)) {
    if (fits()) break;
    models.push(model);
    count -= 1;
    used -= model.residentBytes;
  }
  return fits() ? { type: "evict", models } : { type: "wait" };
}

/**
 * Those that rest, longest first. What somebody loaded by hand goes only after all that requests loaded, because nobody asked for that to
 * stay.
 */
export function toEvictionOrder<Model extends Resident>(residents: readonly Model[]): Model[] {
  return residents
    .filter(({ users, state }) => users === 0 && state === "ready")
    .toSorted((a, b) => Number(b.onDemand) - Number(a.onDemand) || a.lastUse - b.lastUse);
}

/** What all of them take that could go. */
export function idleMemory(residents: readonly (Resident & { readonly gpuBytes: number })[]): MemoryUse {
  const idle = toEvictionOrder(residents);
  return {
    requiredBytes: sumBytes(idle),
    gpuBytes: idle.reduce((sum, { gpuBytes }) => sum + gpuBytes, 0),
  };
}

export function sumBytes(residents: readonly Resident[]): number {
  return residents.reduce((sum, { residentBytes }) => sum + residentBytes, 0);
}
