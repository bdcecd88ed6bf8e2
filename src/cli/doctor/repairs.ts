/** The command that repairs a fault of a model server, for this very server. */
import type { ModelInfo } from "../../core/model.ts";
import { formatCount } from "../../tui/format.ts";
import { quoteForShell } from "./quote.ts";

/** What the description does not hold and a command needs. */
export interface ServerPlace {
  /** The file that llama-server has loaded. */
  modelPath?: string;
  /** Our own daemon, which is found without an address, and answers there only with a key of its own. */
  isDaemon?: boolean;
}

type Subject = Pick<ModelInfo, "id" | "server" | "baseUrl" | "slots"> & ServerPlace;

/** Tokens of window that are worth asking for when the model could do more. */
export const COMFORTABLE_TOKENS = 32_768;
export const LEAST_TOKENS = 8_192;

/** For a window that is too small. */
export function toWindowRepair(subject: Subject, tokens: number): string {
  const { id, server } = subject;
  switch (server) {
    case "llama-server":
      return toLlamaServer(subject, toWindowFlags(tokens, subject.slots ?? 1));
    case "lmstudio":
      return `lms unload ${quoteForShell(id)} && lms load ${quoteForShell(toModelKey(id))} --context-length ${tokens}`;
    case "ollama":
      return `OLLAMA_CONTEXT_LENGTH=${tokens} ollama serve (after stopping the one that runs), or ${toOllamaVariant(id, tokens)}`;
    case "vllm":
      return toVllm(subject, ["--max-model-len", String(tokens)]);
    case "lmagent":
      return `lmagent unload ${quoteForShell(id)} && lmagent load ${quoteForShell(id)} --context-length ${tokens}; where that does not fit, a smaller model`;
    default:
      return `start the server of \`${id}\` with a window of ${tokens} tokens or more`;
  }
}

/** Slots whose number is given divide the window; others may share one memory. */
function toWindowFlags(tokens: number, slots: number): string[] {
  const window = ["-c", String(tokens * slots)];
  return slots === 1 ? window : [...window, "-np", String(slots)];
}

/** For a model that was trained for too little, which no server can change. */
export function toModelRepair(tokens: number): string {
  return `lmagent --model NAME, with a model that was trained for ${formatCount(tokens)} tokens or more`;
}

/** For slots of llama-server that divide one window. */
export function toSlotRepair(subject: Subject, tokens: number): string {
  return toLlamaServer(subject, ["-c", String(tokens), "-np", "1"]);
}

/** For calls that do not come as such, or not at all. */
export function toToolsRepair(subject: Subject): string {
  const { id, server } = subject;
  switch (server) {
    case "llama-server":
      return `${toLlamaServer(subject, ["--jinja"])}; where that was set, lmagent --model NAME, with a model that was trained for tools`;
    case "vllm":
      return toVllm(subject, ["--enable-auto-tool-choice", "--tool-call-parser", toParser(id)]);
    case "ollama":
      return "ollama pull qwen3, or another model of https://ollama.com/search?c=tools, and then lmagent --model with its name";
    case "lmstudio":
      return "lms get qwen/qwen3-8b, or another model with the tool sign in LM Studio, and then lmagent --model with its name";
    default:
      return "lmagent --model NAME, with a model that was trained for tools";
  }
}

/** For a chat template that keeps something from the model. */
export function toTemplateRepair(subject: Subject): string {
  switch (subject.server) {
    case "llama-server":
      return toLlamaServer(subject, ["--jinja", "--chat-template-file", "TEMPLATE.jinja"]);
    case "vllm":
      return toVllm(subject, ["--chat-template", "TEMPLATE.jinja"]);
    case "ollama":
      return `ollama show --modelfile ${quoteForShell(subject.id)} > Modelfile, change TEMPLATE in it, and ollama create ${quoteForShell(toVariantName(subject.id, "fixed"))} -f Modelfile`;
    case "lmstudio":
      return "in LM Studio: My Models, the gear of this model, Prompt Template; or another build of the model with `lms get`";
    default:
      return "lmagent --model NAME, with a build of the model that brings a whole chat template";
  }
}

/** The flags to add; others that were given stay as they were. */
function toLlamaServer({ modelPath, id, baseUrl }: Subject, flags: readonly string[]): string {
  const path = modelPath ?? (id.endsWith(".gguf") ? id : "MODEL.gguf");
  return ["llama-server", "-m", quoteForShell(path), "--port", toPort(baseUrl), ...flags].join(" ");
}

function toVllm({ id, baseUrl }: Subject, flags: readonly string[]): string {
  return ["vllm", "serve", quoteForShell(id), "--port", toPort(baseUrl), ...flags].join(" ");
}

function toPort(baseUrl: string): string {
  const { port, protocol } = new URL(baseUrl);
  return port === "" ? (protocol === "https:" ? "443" : "80") : port;
}

/** A second instance of a loaded model has a number after its key. */
function toModelKey(id: string): string {
  return id.replace(/:\d+$/, "");
}

function toOllamaVariant(id: string, tokens: number): string {
  const lines = [`FROM ${id}`, `PARAMETER num_ctx ${tokens}`].map(quoteForShell).join(" ");
  const name = toVariantName(id, `${Math.round(tokens / 1024)}k`);
  return `printf '%s\\n' ${lines} > Modelfile && ollama create ${quoteForShell(name)} -f Modelfile`;
}

function toVariantName(id: string, suffix: string): string {
  return `${id.replace(/:latest$/, "").replaceAll(":", "-")}-${suffix}`;
}

/** Parsers of vLLM by the names of models; https://docs.vllm.ai/en/latest/features/tool_calling/ */
const PARSERS: readonly (readonly [RegExp, string])[] = [
  [/qwen3[-_]?coder/i, "qwen3_coder"],
  [/llama[-_]?4/i, "llama4_pythonic"],
  [/llama/i, "llama3_json"],
  [/mistral|devstral|magistral/i, "mistral"],
  [/deepseek[-_]?(?:v3\.1)/i, "deepseek_v31"],
  [/deepseek/i, "deepseek_v3"],
  [/glm/i, "glm45"],
  [/kimi/i, "kimi_k2"],
  [/gpt[-_]?oss/i, "openai"],
  [/granite/i, "granite"],
  [/minimax/i, "minimax"],
  [/internlm/i, "internlm"],
  [/phi[-_]?4/i, "phi4_mini_json"],
];

function toParser(id: string): string {
  return PARSERS.find(([pattern]) => pattern.test(id))?.[1] ?? "hermes";
}
