/** The routes, a family of them a line, behind the checks that hold for all. */
import { Hono } from "hono";
import type { MiddlewareHandler } from "hono";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { fromThrown, toApiError } from "./http/errors.ts";
import {
  checkHost,
  checkKey,
  checkOrigin,
  createSingleKey,
  readKey,
  toCorsHeaders,
  toPreflightHeaders,
} from "./http/guard.ts";
import type { AccessRules, KeyRing } from "./http/guard.ts";
import type { Leases } from "./leases.ts";
import { addLmStudio } from "./lmstudio/index.ts";
import { addOllama } from "./ollama/index.ts";
import { addMessages } from "./messages/messages-route.ts";
import { addChat } from "./openai/chat-route.ts";
import { addCompletions } from "./openai/completion-route.ts";
import { addEmbeddings } from "./openai/embeddings-route.ts";
import { addModels } from "./openai/models-route.ts";
import { refuseOtherMethods, respond } from "./http/routes.ts";
import type { App, Env } from "./http/routes.ts";
import { addResponses } from "./responses/responses-route.ts";
import { addService } from "./service/service-routes.ts";
import type { Services } from "./services.ts";

export interface AppOptions extends AccessRules {
  services: Services;
  /** The only key. */
  apiKey?: string;
  /** Keys that may change; instead of `apiKey`. Without either nobody needs one. */
  keys?: KeyRing;
  /** Absent: this server runs until it is stopped. */
  leases?: Leases;
}

/** Anybody may ask these: they say no more than that there is a server. */
const OPEN_PATHS = new Set(["/health", "/v1/health", "/lmstudio-greeting", "/api/hello", "/"]);

export function createApp(options: AppOptions): App {
  const { services, leases } = options;
  const app: App = new Hono<Env>();
  app.onError((thrown, c) => respond(c, fromThrown(thrown)));
  app.notFound((c) =>
    respond(
      c,
      toApiError(404, `There is no route \`${c.req.method} ${c.req.path}\`.`, { code: "route_not_found" }),
    ),
  );
  app.use(createGuard(options));
  if (leases !== undefined) addLease(app, leases);
  addService(app, services);
  addModels(app, services);
  addChat(app, services);
  addCompletions(app, services);
  addEmbeddings(app, services);
  addResponses(app, services);
  addMessages(app, services);
  addLmStudio(app, services);
  addOllama(app, services);
  return app;
}

function createGuard(options: AppOptions): MiddlewareHandler<Env> {
  const { apiKey, keys } = options;
  const ring = keys ?? (apiKey === undefined ? undefined : createSingleKey(apiKey));
  return async (c, next) => {
    const [host, origin] = [c.req.header("host"), c.req.header("origin")];
    const refused = checkHost(host, options) ?? checkOrigin(origin, host, options);
    if (refused !== undefined) return respond(c, refused);
    // On the response itself, because streams are written past the framework.
    for (const [name, value] of Object.entries(toCorsHeaders(origin, options)))
      c.env.outgoing.setHeader(name, value);
    // A preflight carries no key.
    if (c.req.method === "OPTIONS" && c.req.header("access-control-request-method") !== undefined)
      return c.body(null, 204, toPreflightHeaders(c.req.header("access-control-request-headers")));
    const unknown = ring === undefined || OPEN_PATHS.has(c.req.path) ? undefined : checkKey(readKey(c), ring);
    return unknown === undefined ? next() : respond(c, unknown);
  };
}

function addLease(app: App, leases: Leases): void {
  app.get("/lease", (c) => {
    if (leases.add(c.env.outgoing)) return RESPONSE_ALREADY_SENT;
    return respond(c, toApiError(503, "This server is about to end; start another one.", { code: "ending" }));
  });
  refuseOtherMethods(app, ["/lease"], "GET");
}
