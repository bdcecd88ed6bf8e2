/** The routes, a family of them a line, behind the checks that hold for all. */
import { Hono } from "hono";
import type { Context } from "hono";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { fromThrown, toApiError } from "./errors.ts";
import { checkHost, checkKey } from "./guard.ts";
import type { Leases } from "./leases.ts";
import { addChat } from "./openai/chat-route.ts";
import { addModels } from "./openai/models-route.ts";
import { refuseOtherMethods, respond } from "./routes.ts";
import type { App, Env } from "./routes.ts";
import { addService } from "./service/service-routes.ts";
import type { Services } from "./services.ts";

export interface AppOptions {
  services: Services;
  apiKey: string;
  /** Absent: this server runs until it is stopped. */
  leases?: Leases;
}

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
  app.use(async (c, next) => {
    const refused =
      checkHost(c.req.header("host")) ??
      (c.req.path === "/health" ? undefined : checkKey(readKey(c), options.apiKey));
    return refused === undefined ? next() : respond(c, refused);
  });
  if (leases !== undefined) addLease(app, leases);
  addService(app, services);
  addModels(app, services);
  addChat(app, services);
  return app;
}

function addLease(app: App, leases: Leases): void {
  app.get("/lease", (c) => {
    if (leases.add(c.env.outgoing)) return RESPONSE_ALREADY_SENT;
    return respond(c, toApiError(503, "This server is about to end; start another one.", { code: "ending" }));
  });
  refuseOtherMethods(app, ["/lease"], "GET");
}

function readKey(c: Context<Env>): { authorization: string | undefined; apiKey: string | undefined } {
  return { authorization: c.req.header("authorization"), apiKey: c.req.header("x-api-key") };
}
