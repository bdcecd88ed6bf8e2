import { deepseek } from "./deepseek.ts";
import type { CallForm } from "./form.ts";
import { gemma } from "./gemma.ts";
import { glm } from "./glm.ts";
import { granite } from "./granite.ts";
import { harmony } from "./harmony.ts";
import { hermes } from "./hermes.ts";
import { kimi } from "./kimi.ts";
import { llama } from "./llama.ts";
import { lmstudio } from "./lmstudio.ts";
import { malformed } from "./malformed.ts";
import { mistral } from "./mistral.ts";
import { qwenXml } from "./qwen-xml.ts";
import { TAGGED_FORMS } from "./tagged.ts";

/** Forms with a mark of their own. Several share `<tool_call>`; the first that can read what follows it wins. */
export const MARKED_FORMS: readonly CallForm[] = [
  qwenXml,
  glm,
  hermes,
  mistral,
  llama,
  deepseek,
  kimi,
  harmony,
  lmstudio,
  granite,
  gemma,
  ...TAGGED_FORMS,
  malformed,
];

/** Every mark, longest first, so that the most specific one is found. */
export const OPENERS: readonly string[] = [...new Set(MARKED_FORMS.flatMap(({ openers }) => openers))].sort(
  (one, other) => other.length - one.length,
);
