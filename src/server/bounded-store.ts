/** What later requests go on from, in memory only: the newest entries, within bounds of number, size and age. */

export interface BoundedStore<Value> {
  /** Counts as a use. */
  get(id: string): Value | undefined;
  put(id: string, value: Value): void;
  /** False: there was none. */
  delete(id: string): boolean;
}

export interface BoundedStoreOptions<Value> {
  maxEntries: number;
  /** Of JSON text. What entries share counts for each. */
  maxBytes: number;
  /** Since the last use. */
  ttlMs: number;
  now: () => Date;
  /** Also when it was pushed out, or replaced. */
  onRemoved?: (id: string, value: Value) => void;
}

interface Entry<Value> {
  value: Value;
  bytes: number;
  usedAt: number;
}

export function createBoundedStore<Value>(options: BoundedStoreOptions<Value>): BoundedStore<Value> {
  const { maxEntries, maxBytes, ttlMs, now, onRemoved = () => undefined } = options;
  // In the order of their use, the oldest first.
  const entries = new Map<string, Entry<Value>>();
  let bytes = 0;

  const remove = (id: string): boolean => {
    const entry = entries.get(id);
    if (entry === undefined) return false;
    entries.delete(id);
    bytes -= entry.bytes;
    onRemoved(id, entry.value);
    return true;
  };
  const expire = (): void => {
    const oldest = now().getTime() - ttlMs;
    for (const [id, entry] of entries) {
      if (entry.usedAt > oldest && entries.size <= maxEntries && bytes <= maxBytes) return;
      remove(id);
    }
  };
  return {
    get: (id) => {
      expire();
      const entry = entries.get(id);
      if (entry === undefined) return undefined;
      entries.delete(id);
      entries.set(id, { ...entry, usedAt: now().getTime() });
      return entry.value;
    },
    put: (id, value) => {
      remove(id);
      const size = Buffer.byteLength(JSON.stringify(value));
      entries.set(id, { value, bytes: size, usedAt: now().getTime() });
      bytes += size;
      expire();
    },
    delete: (id) => {
      expire();
      return remove(id);
    },
  };
}
