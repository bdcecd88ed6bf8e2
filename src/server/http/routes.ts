/** How routes are added, the same way in every dialect: what they take, what they refuse, and the shape of their errors. */
import type { ServerResponse } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context, Hono } from "hono";
import { fromThrown, toApiError } from "./errors.ts";
import type { ApiError } from "./errors.ts";
import { shapeOf } from "./error-shapes.ts";
import { readBody } from "./read-body.ts";
import { sendJson } from "./send.ts";

export type Env = { Bindings: HttpBindings };
export type App = Hono<Env>;

/** One request with a body. */
export interface Exchange {
  /** The body's text. */
  body: string;
  /** Of the request's headers. */
  header: (name: string) => string | undefined;
  query: (name: string) => string | undefined;
  outgoing: ServerResponse;
  /** Aborted when the client closes the connection. */
  signal: AbortSignal;
}

/**
 * `answer` writes the whole answer to `outgoing`. What it throws before it has written anything becomes an error in the shape of the
 * path's dialect.
 */
export function addPost(app: App, path: string, answer: (exchange: Exchange) => Promise<void>): void {
  app.post(path, async (c) => {
    const { incoming, outgoing } = c.env;
    const abort = new AbortController();
    outgoing.once("close", () => abort.abort(new Error("the client closed the connection")));
    try {
      await answer({
        body: await readBody(incoming),
        header: (name) => c.req.header(name),
        query: (name) => c.req.query(name),
        outgoing,
        signal: abort.signal,
      });
    } catch (thrown) {
      if (!abort.signal.aborted) sendError(outgoing, c.req.path, fromThrown(thrown));
    }
    return RESPONSE_ALREADY_SENT;
  });
}

/** JSON that `read` gives; what it throws becomes an error in the shape of the path's dialect. */
export function addGet(app: App, path: string, read: (c: Context<Env>) => Promise<unknown>): void {
  app.get(path, async (c) => {
    try {
      return c.json((await read(c)) as object);
    } catch (thrown) {
      return respond(c, fromThrown(thrown));
    }
  });
}

/** Call it after the routes of these paths were added. */
export function refuseOtherMethods(app: App, paths: readonly string[], allowed: string): void {
  for (const path of paths) {
    app.all(path, (c) => {
      if (c.req.method === "OPTIONS") return c.body(null, 204, { allow: `${allowed}, OPTIONS` });
      const message = `\`${c.req.path}\` takes ${allowed}, not ${c.req.method}.`;
      return respond(
        c,
        toApiError(405, message, { code: "method_not_allowed", headers: { allow: allowed } }),
      );
    });
  }
}

export function respond(c: Context, error: ApiError): Response {
  // 529 is in no list of statuses.
  const status = error.status as Exclude<ApiError["status"], 529>;
  return c.json(shapeOf(c.req.path)(error) as object, status, error.headers);
}

export function sendError(outgoing: ServerResponse, path: string, error: ApiError): void {
  sendJson(outgoing, error.status, shapeOf(path)(error), error.headers);
}
