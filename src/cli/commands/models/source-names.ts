import type { ModelSource } from "../../../engine/catalog/catalog.ts";

/** Whose folder a model lies in, for people. */
export const SOURCE_NAMES: Readonly<Record<ModelSource, string>> = {
  lmagent: "LMAgent",
  lmstudio: "LM Studio",
  ollama: "Ollama",
  huggingface: "Hugging Face",
  package: "built in",
  file: "file",
};
