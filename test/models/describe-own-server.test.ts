/** What is known of a model of our own server, which may hold several. */
import { expect, it } from "vitest";
import { jsonReply, textReply } from "../../src/testing/index.ts";
import { createModel } from "./run-model.ts";
import { serve } from "./serve.ts";

const models = (...data: unknown[]) => jsonReply({ object: "list", data });

it.each([
  [
    "that speaks only of another one",
    {
      "GET /v1/models": models(
        { id: "first", state: "loaded", slots: 4, meta: { n_ctx: 2_048 } },
        { id: "second", state: "loaded", slots: 1, meta: { n_ctx: 8_192 } },
      ),
      "GET /props": jsonReply({
        default_generation_settings: { n_ctx: 2_048 },
        total_slots: 4,
        model_alias: "first",
      }),
    },
    "second",
    { id: "second", server: "lmagent", contextTokens: 8_192, slots: 1 },
  ],
  [
    "asked about one that is not its first",
    {
      "GET /v1/models": models({ id: "first", state: "loaded" }, { id: "a/second", state: "loaded" }),
      "GET /props": jsonReply({ total_slots: 4, model_alias: "first" }),
      "GET /props?model=a%2Fsecond": jsonReply({
        default_generation_settings: { n_ctx: 8_192 },
        total_slots: 2,
        model_alias: "a/second",
        modalities: { vision: true },
      }),
    },
    "a/second",
    { id: "a/second", server: "lmagent", contextTokens: 8_192, slots: 2, vision: true },
  ],
  [
    "asked about one that the first request will load",
    {
      "GET /v1/models": models(
        { id: "first", state: "loaded", meta: { n_ctx: 2_048 } },
        { id: "second", state: "not-loaded", max_context_length: 32_768, meta: { n_ctx_train: 32_768 } },
      ),
      "GET /props": jsonReply({ default_generation_settings: { n_ctx: 2_048 }, model_alias: "first" }),
    },
    "second",
    { id: "second", server: "lmagent", contextTokens: 32_768, loaded: false },
  ],
])("a model is described by our server, %s", async (_name, routes, id, expected) => {
  const health = { "GET /health": jsonReply({ status: "ok", server: "lmagent" }) };
  const server = await serve(() => textReply("ok"), { routes: { ...health, ...routes } });
  expect(await createModel(server.url, { id }).describe({})).toMatchObject(expected);
});
