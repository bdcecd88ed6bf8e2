/** What the routes work with: made once for each server. */
import type { Downloads } from "../engine/download/downloads.ts";
import type { ModelManager } from "../engine/manager/model-manager.ts";

export interface Services {
  models: ModelManager;
  /** Absent: this server fetches nothing. */
  downloads?: Downloads;
  /** Package version. */
  version: string;
  now: () => Date;
  log: (line: string) => void;
  settings: ServeSettings;
}

export interface ServeSettings {
  /** A request loads a model that is not loaded; off, only loaded ones are listed and served. */
  jit: boolean;
  /** Under which name thinking leaves: `reasoning_content`, `reasoning`, both, or inside the text. */
  reasoningField: "content" | "reasoning" | "both" | "inline";
}
