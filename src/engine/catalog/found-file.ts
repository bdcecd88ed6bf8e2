/** A file that may be a model, and what its place says about it. */
import type { ModelSource, OllamaLayers } from "./catalog.ts";

export interface FoundFile {
  /** Absolute, as it is shown; it may be a link. */
  path: string;
  source: ModelSource;
  /** Empty where the place tells none. */
  publisher: string;
  /** What the model is called there: its repository, or a name of Ollama's. */
  repo: string;
  /** Of Ollama: what follows the name. */
  tag?: string;
  /** A projector that the place says belongs to it. */
  projectorPath?: string;
  ollama?: OllamaLayers;
}

/** Something in a model folder that cannot be used, and why. */
export interface BrokenModel {
  path: string;
  source: ModelSource;
  why: string;
}

export interface Findings {
  files: readonly FoundFile[];
  broken: readonly BrokenModel[];
}
