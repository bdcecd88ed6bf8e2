/** Texts to tokens and back, and messages to a prompt, as llama.cpp's server and vLLM answer it. */
import * as z from "zod/mini";
import { AgentError } from "../../core/errors.ts";
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import { parseBody } from "../http/body.ts";
import { CHAT_DEFAULTS } from "../chat/chat-request.ts";
import type { ChatRequest } from "../chat/chat-request.ts";
import { findServed } from "../find-served.ts";
import { messageSchema, toMessages } from "../openai/messages.ts";
import { refuse } from "../openai/refuse.ts";
import { toolFields, toTools } from "../openai/tool-fields.ts";
import { renderPrompt } from "../chat/prepare-chat.ts";
import { addPost, refuseOtherMethods } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import { describeModel } from "../served-model.ts";
import type { Services } from "../services.ts";
import { withModel } from "../use-model.ts";

const optional = z.nullish;
const conversation = {
  messages: optional(z.array(messageSchema).check(z.minLength(1))),
  chat_template_kwargs: optional(z.looseObject({})),
  ...toolFields,
};

const tokenizeBody = z.object({
  ...conversation,
  model: optional(z.string()),
  content: optional(z.string()),
  /** vLLM's name for it. */
  prompt: optional(z.string()),
  add_special: optional(z.boolean()),
  add_special_tokens: optional(z.boolean()),
  parse_special: optional(z.boolean()),
  with_pieces: optional(z.boolean()),
});

const detokenizeBody = z.object({
  model: optional(z.string()),
  tokens: z.array(z.int().check(z.minimum(0))),
});

const templateBody = z.object({ ...conversation, model: optional(z.string()) });

export function addTokens(app: App, services: Services): void {
  addPost(app, "/tokenize", async ({ body: sent, outgoing, signal }) => {
    const body = parseBody(sent, tokenizeBody);
    await withAnyModel(services, body.model, signal, async (model) =>
      sendJson(outgoing, 200, await tokenize(body, model, signal)),
    );
  });
  addPost(app, "/detokenize", async ({ body: sent, outgoing, signal }) => {
    const { model: name, tokens } = parseBody(sent, detokenizeBody);
    await withAnyModel(services, name, signal, async (model) => {
      const content = await model.engine.detokenize(tokens, { signal });
      sendJson(outgoing, 200, { content, prompt: content });
    });
  });
  addPost(app, "/apply-template", async ({ body: sent, outgoing, signal }) => {
    const body = parseBody(sent, templateBody);
    await withAnyModel(services, body.model, signal, async (model) =>
      sendJson(outgoing, 200, { prompt: await toPrompt(body, model, signal) }),
    );
  });
  refuseOtherMethods(app, ["/tokenize", "/detokenize", "/apply-template"], "POST");
}

/** For what every model can do, whatever it is for. */
async function withAnyModel(
  services: Services,
  name: string | null | undefined,
  signal: AbortSignal,
  work: (model: LoadedModel) => Promise<void>,
): Promise<void> {
  const found = name ? await findServed(services, [name]) : undefined;
  const purpose = (found?.entry ?? services.models.loaded().at(-1)?.entry)?.purpose ?? "chat";
  await withModel(services, name || undefined, { purpose, signal }, work);
}

async function tokenize(
  body: z.output<typeof tokenizeBody>,
  model: LoadedModel,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const given = body.content ?? body.prompt;
  const isChat = given === undefined || given === null;
  const text = isChat ? await toPrompt(body, model, signal) : given;
  const tokens = await model.engine.tokenize(text, {
    special: isChat || (body.parse_special ?? true),
    begin: isChat || (body.add_special ?? body.add_special_tokens ?? false),
    signal,
  });
  const { contextTokens } = await model.engine.facts();
  const counts = { count: tokens.length, max_model_len: contextTokens };
  if (body.with_pieces !== true) return { tokens, ...counts };
  const pieces: { id: number; piece: string }[] = [];
  for (const id of tokens) pieces.push({ id, piece: await model.engine.detokenize([id], { signal }) });
  return { tokens: pieces, ...counts };
}

async function toPrompt(
  body: z.output<typeof templateBody>,
  model: LoadedModel,
  signal: AbortSignal,
): Promise<string> {
  if (!body.messages) throw refuse("`messages` is missing.", "messages");
  const { tools, toolChoice } = toTools(body);
  const request: ChatRequest = {
    ...CHAT_DEFAULTS,
    messages: toMessages(body.messages),
    tools,
    toolChoice,
    ...(body.chat_template_kwargs ? { templateVariables: body.chat_template_kwargs } : {}),
  };
  const description = await describeModel(model, { signal });
  if (description.facts.chatTemplate === undefined && model.entry.purpose === "embedding")
    throw new AgentError("model_rejected", `\`${model.id}\` has no chat template.`);
  return renderPrompt(request, description).prompt;
}
