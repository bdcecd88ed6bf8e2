import type { Model, ModelEvent, ModelReply, ModelRequest } from "../../src/core/model.ts";
import type { ChatModelOptions } from "../../src/models/index.ts";
import { createChatModel } from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";
import { TOOLS } from "./tools.ts";

/** A model over real HTTP. */
export function createModel(url: string, options: Partial<ChatModelOptions> = {}): Model {
  return createChatModel({ id: "scripted", baseUrl: url, transport: createHttpTransport(), ...options });
}

export const REQUEST: ModelRequest = { messages: [{ role: "user", content: "create ran_a" }], tools: TOOLS };

export interface ModelRun {
  events: readonly ModelEvent[];
  reply: ModelReply;
  shown: string;
}

/** Runs one request to its end. */
export async function runModel(
  model: Model,
  {
    request = REQUEST,
    signal = new AbortController().signal,
  }: { request?: ModelRequest; signal?: AbortSignal } = {},
): Promise<ModelRun> {
  const events: ModelEvent[] = [];
  for await (const event of model.stream(request, { signal })) events.push(event);
  const last = events.at(-1);
  if (last?.type !== "finished") throw new Error("the last event must be `finished`");
  const shown = events.map((event) => (event.type === "text_delta" ? event.text : "")).join("");
  return { events, reply: last.reply, shown };
}
