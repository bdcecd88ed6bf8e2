/**
 * What the text of a chat template shows of its faults. It is not run: what would need that is not judged, so that nothing is called a
 * fault that is none.
 */
import { toShortHash } from "../core/digest.ts";
import type { ModelInfo } from "../core/model.ts";
import type { Json } from "./json.ts";
import { toObject } from "./json.ts";

export type TemplateFacts = Pick<ModelInfo, "templateHash" | "templateFaults">;

const NO_TOOLS = "it leaves tools out, so the model is not told of them";
const NO_SYSTEM = "it leaves the system message out";
const REFUSES_SYSTEM = "it refuses a system message";
const WANTS_TURNS = "it refuses two messages of one role in a row";

/** Longer ones are only hashed; the largest in use have about 30,000 characters. */
const JUDGED_CHARS = 200_000;

/** From `/props` of llama-server, and of ours: Jinja, and since 2025 what the server itself found out about it. */
export async function readPropsTemplate(props: Json): Promise<TemplateFacts> {
  const source = props["chat_template"];
  if (typeof source !== "string" || source === "") return {};
  const found = toObject(props["chat_template_caps"]);
  // A second template that is used for requests with tools.
  const withTools = props["chat_template_tool_use"];
  const faults = judgeJinja(typeof withTools === "string" && withTools !== "" ? withTools : source);
  if (found["supports_tools"] === false) faults.add(NO_TOOLS);
  if (found["supports_system_role"] === false && !faults.has(REFUSES_SYSTEM)) faults.add(NO_SYSTEM);
  return toFacts(source, faults);
}

/** From `/api/show` of Ollama: Go's `text/template`, and what the model can do with it. */
export async function readShownTemplate(shown: Json): Promise<TemplateFacts> {
  const source = shown["template"];
  if (typeof source !== "string" || source === "") return {};
  const faults = new Set<string>();
  const capabilities = shown["capabilities"];
  if (Array.isArray(capabilities) && capabilities.length > 0 && !capabilities.includes("tools"))
    faults.add(NO_TOOLS);
  // `{{ .Prompt }}` alone stands for a renderer inside Ollama.
  const own = source.slice(0, JUDGED_CHARS).replaceAll(/\s/g, "") !== "{{.Prompt}}";
  if (own && !/\.(?:System|Messages)\b/.test(source.slice(0, JUDGED_CHARS))) faults.add(NO_SYSTEM);
  return toFacts(source, faults);
}

async function toFacts(source: string, faults: ReadonlySet<string>): Promise<TemplateFacts> {
  const templateHash = await toShortHash(source);
  return { templateHash, ...(faults.size > 0 ? { templateFaults: [...faults] } : {}) };
}

/** `raise_exception("…")` with its words. */
const RAISES = /raise_exception\(\s*(["'])([^"']{0,300})\1/g;

function judgeJinja(whole: string): Set<string> {
  const faults = new Set<string>();
  if (whole.length > JUDGED_CHARS) return faults;
  const source = withoutComments(whole);
  if (!/tool|function/i.test(source)) faults.add(NO_TOOLS);
  const raised = [...source.matchAll(RAISES)].map(([, , words = ""]) => words);
  if (
    raised.some((words) => /system/i.test(words) && /not (?:be )?(?:support|allow)|no support/i.test(words))
  )
    faults.add(REFUSES_SYSTEM);
  else if (!/system/i.test(source) && !writesRoles(source)) faults.add(NO_SYSTEM);
  if (raised.some((words) => /\balternat/i.test(words))) faults.add(WANTS_TURNS);
  return faults;
}

/** By hand: a pattern looks for the end of each of many comments that have none. */
function withoutComments(source: string): string {
  let kept = "";
  let at = 0;
  for (;;) {
    const start = source.indexOf("{#", at);
    const end = start < 0 ? -1 : source.indexOf("#}", start);
    if (end < 0) return kept + source.slice(at);
    kept += source.slice(at, start);
    at = end + 2;
  }
}

/** Whatever the role is, it is written into the prompt. */
function writesRoles(source: string): boolean {
  return /\{\{[^{}]{0,300}(?:\.role\b|\[\s*["']role["']\s*\])/.test(source);
}
