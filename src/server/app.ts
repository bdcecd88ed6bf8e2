/** The routes. Each new family of routes is one more function beside `addChat`. */
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { answerChat, findServedModel, modelNotFound } from "./chat-route.ts";
import { fromThrown, toApiError } from "./errors.ts";
import type { ApiError } from "./errors.ts";
import { checkHost, checkKey } from "./guard.ts";
import type { Leases } from "./leases.ts";
import type { ServedModel } from "./served-model.ts";

const BODY_LIMIT_BYTES = 16 * 1024 * 1024;

export interface AppOptions {
  models: readonly ServedModel[];
  apiKey: string;
  version: string;
  leases: Leases;
  now: () => Date;
}

type Env = { Bindings: HttpBindings };
type App = Hono<Env>;

export function createApp(options: AppOptions): App {
  const app: App = new Hono<Env>();
  app.onError((thrown, c) => respond(c, fromThrown(thrown)));
  app.notFound((c) =>
    respond(
      c,
      toApiError(404, `There is no route \`${c.req.method} ${c.req.path}\`.`, { code: "route_not_found" }),
    ),
  );
  app.use(async (c, next) => {
    const refused =
      checkHost(c.req.header("host")) ??
      (c.req.path === "/health" ? undefined : checkKey(readKey(c), options.apiKey));
    return refused === undefined ? next() : respond(c, refused);
  });
  addService(app, options);
  addModels(app, options);
  addChat(app, options);
  return app;
}

function addService(app: App, { version, leases }: AppOptions): void {
  app.get("/health", (c) => c.json({ status: "ok", server: "lmagent", version }));
  app.get("/lease", (c) => {
    if (leases.add(c.env.outgoing)) return RESPONSE_ALREADY_SENT;
    return respond(c, toApiError(503, "This server is about to end; start another one.", { code: "ending" }));
  });
  refuseOtherMethods(app, ["/health", "/lease"], "GET");
}

function addModels(app: App, { models }: AppOptions): void {
  app.get("/v1/models", async (c) =>
    c.json({ object: "list", data: await Promise.all(models.map((model) => toModelObject(model))) }),
  );
  app.get("/v1/models/:id", async (c) => {
    const model = findServedModel(models, c.req.param("id"));
    return model === undefined
      ? respond(c, modelNotFound(models, c.req.param("id")))
      : c.json(await toModelObject(model));
  });
  // As llama.cpp's server has them: the places where clients look for the number of slots, and for one that is free.
  app.get("/props", async (c) => c.json(await toProps(models[0])));
  app.get("/slots", async (c) => c.json(await toSlots(models[0])));
  refuseOtherMethods(app, ["/v1/models", "/v1/models/:id", "/props", "/slots"], "GET");
}

/** Every client looks for the window under another name. */
async function toModelObject(model: ServedModel): Promise<Record<string, unknown>> {
  const { contextTokens, trainContextTokens, parameters, sizeBytes, slots, quantization, loaded } =
    await model.outline();
  return {
    id: model.id,
    object: "model",
    created: 0,
    owned_by: "lmagent",
    state: loaded ? "loaded" : "loading",
    context_length: contextTokens,
    max_model_len: contextTokens,
    slots,
    // What is not known yet is left out of the JSON.
    meta: { n_ctx: contextTokens, n_ctx_train: trainContextTokens, n_params: parameters, size: sizeBytes },
    quantization,
  };
}

async function toProps(model: ServedModel | undefined): Promise<Record<string, unknown>> {
  if (model === undefined) return { total_slots: 0 };
  const { contextTokens, slots, chatTemplate } = await model.outline();
  return {
    default_generation_settings: { n_ctx: contextTokens },
    total_slots: slots,
    model_alias: model.id,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  };
}

async function toSlots(model: ServedModel | undefined): Promise<Record<string, unknown>[]> {
  if (model === undefined) return [];
  const { contextTokens } = await model.outline();
  const states = await model.slots();
  return states.map(({ index, busy, tokens, lastTask }) => ({
    id: index,
    // Left out of the JSON before its first request.
    id_task: lastTask,
    n_ctx: contextTokens,
    is_processing: busy,
    n_prompt_tokens: tokens,
  }));
}

function addChat(app: App, { models, now }: AppOptions): void {
  const limit = bodyLimit({
    maxSize: BODY_LIMIT_BYTES,
    onError: (c) =>
      respond(
        c,
        toApiError(413, `The body is larger than ${BODY_LIMIT_BYTES} bytes.`, { code: "body_too_large" }),
      ),
  });
  app.post("/v1/chat/completions", limit, async (c) => {
    const body = await c.req.text();
    await answerChat(body, c.env.outgoing, { models, now });
    return RESPONSE_ALREADY_SENT;
  });
  refuseOtherMethods(app, ["/v1/chat/completions"], "POST");
}

function refuseOtherMethods(app: App, paths: readonly string[], allowed: string): void {
  for (const path of paths) {
    app.all(path, (c) => {
      const message = `\`${c.req.path}\` takes ${allowed}, not ${c.req.method}.`;
      return respond(
        c,
        toApiError(405, message, { code: "method_not_allowed", headers: { allow: allowed } }),
      );
    });
  }
}

function readKey(c: Context<Env>): { authorization: string | undefined; apiKey: string | undefined } {
  return { authorization: c.req.header("authorization"), apiKey: c.req.header("x-api-key") };
}

function respond(c: Context<Env>, { status, body, headers }: ApiError): Response {
  return c.json(body, status, headers);
}
