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
  /** Each item, with the newest response that has it. */
  const owners = new Map<string, { id: string; item: Item }>();
  const store = createBoundedStore<StoredResponse>({
    ...bounds,
    onRemoved: (id, stored) => {
      for (const item of itemsOf(stored)) {
        const itemId = String(item["id"]);
        if (owners.get(itemId)?.id === id) owners.delete(itemId);
      }
    },
  });
  return {
    ...store,
    findItem: (id) => {
      const owner = owners.get(id);
      // Which counts as a use, and forgets what is too old.
      return owner !== undefined && store.get(owner.id) !== undefined ? owner.item : undefined;
    },
    put: (id, stored) => {
      for (const item of itemsOf(stored)) owners.set(String(item["id"]), { id, item });
      store.put(id, stored);
    },
  };
}

function itemsOf({ input, output }: StoredResponse): readonly Item[] {
  return [...input, ...output];
}
