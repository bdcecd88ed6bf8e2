/** Responses that later requests go on from, and the items in them, by their ids. */
import { createBoundedStore } from "../bounded-store.ts";
import type { BoundedStore, BoundedStoreOptions } from "../bounded-store.ts";
import type { Item } from "./items.ts";

export interface StoredResponse {
  /** As it was answered. */
  response: Readonly<Record<string, unknown>>;
  /** The conversation before it. Each item has an id. */
  input: readonly Item[];
  output: readonly Item[];
}

export interface ResponseStore extends BoundedStore<StoredResponse> {
  /** An item of any response that is still here. */
  findItem(id: string): Item | undefined;
}

export function createResponseStore(
  bounds: Omit<BoundedStoreOptions<StoredResponse>, "onRemoved">,
): ResponseStore {
  /** The newest response that has the item. */
  const owners = new Map<string, string>();
  const store = createBoundedStore<StoredResponse>({
    ...bounds,
    onRemoved: (id, stored) => {
      for (const item of itemsOf(stored)) {
        const itemId = String(item["id"]);
        if (owners.get(itemId) === id) owners.delete(itemId);
      }
    },
  });
  return {
    ...store,
    findItem: (id) => {
      const stored = store.get(owners.get(id) ?? "");
      return stored && itemsOf(stored).find((item) => item["id"] === id);
    },
    put: (id, stored) => {
      for (const item of itemsOf(stored)) owners.set(String(item["id"]), id);
      store.put(id, stored);
    },
  };
}

function itemsOf({ input, output }: StoredResponse): readonly Item[] {
  return [...input, ...output];
}
