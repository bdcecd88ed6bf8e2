/** `POST /api/embed` (https://docs.ollama.com/api/embed) and the older `POST /api/embeddings`. */
import * as z from "zod/mini";
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { Embeddings, Prompt } from "../../engine/protocol.ts";
import { parseBody } from "../http/body.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App, Exchange } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import { keepAliveField, toTtlOption } from "./keep-alive.ts";
import { startStopwatch } from "./metrics.ts";
import type { Stopwatch } from "./metrics.ts";
import { optionsField, toGenerationOptions } from "./options.ts";
import { nameField } from "./request-fields.ts";
import { useModel } from "./use.ts";

const common = { model: nameField, keep_alive: keepAliveField, options: optionsField };

const embedBody = z.object({
  ...common,
  input: z.union([z.string(), z.array(z.string()).check(z.maxLength(10_000))]),
  truncate: z.nullish(z.boolean()),
  dimensions: z.nullish(z.int().check(z.minimum(1))),
});

const oldBody = z.object({ ...common, prompt: z.nullish(z.string()) });

export function addOllamaEmbed(app: App, services: Services): void {
  addPost(app, "/api/embed", async (exchange) => {
    const watch = startStopwatch();
    const body = parseBody(exchange.body, embedBody);
    const inputs = typeof body.input === "string" ? (body.input === "" ? [] : [body.input]) : body.input;
    const truncate = body.truncate ?? true;
    const { vectors, promptTokens } = await embed(services, body, { inputs, truncate, watch, exchange });
    const { dimensions } = body;
    sendJson(exchange.outgoing, 200, {
      model: body.model,
      embeddings:
        typeof dimensions === "number" ? vectors.map((vector) => shorten(vector, dimensions)) : vectors,
      ...watch.totals(),
      prompt_eval_count: promptTokens,
    });
  });
  addPost(app, "/api/embeddings", async (exchange) => {
    const watch = startStopwatch();
    const body = parseBody(exchange.body, oldBody);
    const inputs = body.prompt ? [body.prompt] : [];
    const { vectors } = await embed(services, body, { inputs, truncate: true, watch, exchange });
    sendJson(exchange.outgoing, 200, { embedding: vectors[0] ?? [] });
  });
  refuseOtherMethods(app, ["/api/embed", "/api/embeddings"], "POST");
}

interface EmbedWork {
  inputs: readonly string[];
  truncate: boolean;
  watch: Stopwatch;
  exchange: Exchange;
}

async function embed(
  services: Services,
  { model: name, keep_alive: keepAlive, options }: z.output<typeof oldBody>,
  { inputs, truncate, watch, exchange: { signal } }: EmbedWork,
): Promise<Embeddings> {
  const { contextTokens } = toGenerationOptions(options);
  const use = { purpose: "embedding" as const, ttl: toTtlOption(keepAlive), contextTokens, signal };
  return useModel(services, name, use, async (model) => {
    await model.engine.facts();
    watch.loaded();
    if (inputs.length === 0) return { vectors: [], promptTokens: 0 };
    const prompts = truncate ? await Promise.all(inputs.map((text) => cut(model, text, signal))) : inputs;
    return model.engine.embed({ inputs: prompts }, { signal });
  });
}

/** Ollama's clients count on a text that is too long being cut, unless they say `truncate: false`. */
async function cut({ engine }: LoadedModel, text: string, signal: AbortSignal): Promise<Prompt> {
  const { contextTokens } = await engine.facts();
  // No token is shorter than a byte.
  if (Buffer.byteLength(text) < contextTokens - MARGIN_TOKENS) return text;
  const tokens = await engine.tokenize(text, { special: true, begin: true, signal });
  return tokens.length <= contextTokens - MARGIN_TOKENS
    ? text
    : tokens.slice(0, contextTokens - MARGIN_TOKENS);
}

/** Tokens that models put before and behind a text. */
const MARGIN_TOKENS = 2;

/** Models that allow it are trained so that the first values say most. */
function shorten(vector: readonly number[], dimensions: number): readonly number[] {
  if (dimensions >= vector.length) return vector;
  const kept = vector.slice(0, dimensions);
  const length = Math.hypot(...kept) || 1;
  return kept.map((value) => value / length);
}
