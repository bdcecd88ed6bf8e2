/** What Ollama's clients ask about models: `/api/tags`, `/api/ps`, `/api/show`, `/api/version`; and that there is a server at all. */
import * as z from "zod/mini";
import { parseBody } from "../http/body.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { addGet, addPost, refuseOtherMethods, respond } from "../http/routes.ts";
import type { App } from "../http/routes.ts";
import { sendJson } from "../http/send.ts";
import type { Services } from "../services.ts";
import { requireModel } from "./names.ts";
import { toRunning, toShow, toTag } from "./model-objects.ts";

/** Of Ollama, whose routes these are: clients refuse servers that are too old for them. */
const API_VERSION = "0.13.0";

const showBody = z.object({
  model: z.nullish(z.string()),
  /** The older name. */
  name: z.nullish(z.string()),
  verbose: z.nullish(z.boolean()),
});

export function addOllamaModels(app: App, services: Services): void {
  const { models, settings, now } = services;
  app.get("/", (c) =>
    c.text("LMAgent is running: OpenAI, LM Studio, Ollama and Anthropic clients are welcome."),
  );
  addGet(app, "/api/version", async () => ({ version: API_VERSION }));
  addGet(app, "/api/tags", async () => {
    const entries = settings.jit
      ? await models.catalog.list()
      : [...new Map(models.loaded().map(({ entry }) => [entry.path, entry])).values()];
    return { models: entries.map(toTag) };
  });
  addGet(app, "/api/ps", async () => ({
    models: await Promise.all(models.loaded().map((model) => toRunning(model, now()))),
  }));
  addPost(app, "/api/show", async ({ body, outgoing }) => {
    const asked = parseBody(body, showBody);
    const name = asked.model || asked.name;
    if (!name) throw new ApiFailure(toApiError(400, "`model` is missing.", { param: "model" }));
    const { entry, loaded } = await requireModel(services, name);
    const options = { verbose: asked.verbose === true, ...(loaded === undefined ? {} : { loaded }) };
    sendJson(outgoing, 200, await toShow(entry, options));
  });
  refuseOtherMethods(app, ["/", "/api/version", "/api/tags", "/api/ps"], "GET");
  refuseOtherMethods(app, ["/api/show"], "POST");
  addRefused(app);
}

/** What Ollama does and this server does not, each with the way to get it. */
const REFUSED: readonly (readonly [path: string, message: string])[] = [
  [
    "/api/create",
    "This server creates no models. Put a GGUF file into its models folder: `lmagent models import FILE`.",
  ],
  ["/api/copy", "This server gives models no second names. Use the name that `GET /api/tags` lists."],
  [
    "/api/delete",
    "This server deletes no model for a client over the network. Use `lmagent models rm NAME` where it runs.",
  ],
  ["/api/push", "This server publishes no models. Upload the GGUF file to the hub yourself."],
  [
    "/api/blobs/:digest",
    "This server keeps no blobs. Put a GGUF file into its models folder: `lmagent models import FILE`.",
  ],
];

function addRefused(app: App): void {
  for (const [path, message] of REFUSED) {
    app.all(path, (c) => {
      // Asked with HEAD whether there is a blob, the answer is no.
      const status = c.req.method === "HEAD" || c.req.method === "GET" ? 404 : 403;
      return respond(c, toApiError(status, message, { code: "unsupported" }));
    });
  }
}
