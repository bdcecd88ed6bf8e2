/** The models that clients of the daemon may name: those in the folders of models, and files that this user has loaded by their path. */
import { isAbsolute } from "node:path";
import { createCatalog } from "../../engine/catalog/local-catalog.ts";
import type { CatalogOptions, LocalCatalog } from "../../engine/catalog/local-catalog.ts";

export interface ServedCatalog extends LocalCatalog {
  /** From now on this file can be loaded, wherever it lies. */
  allow(path: string): void;
}

/** A client that could name any file would learn which files there are, and have them read. */
export function createServedCatalog(options: CatalogOptions): ServedCatalog {
  const catalog = createCatalog(options);
  const allowed = new Set<string>();
  return {
    ...catalog,
    allow: (path) => void allowed.add(path),
    find: async (name) => {
      if (!isAbsolute(name) || allowed.has(name)) return catalog.find(name);
      return (await catalog.list()).find(({ files }) => files.includes(name));
    },
  };
}
