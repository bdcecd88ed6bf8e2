/** `GET` and `DELETE /v1/responses/:id`, its input items, and why it cannot be cancelled. */
import type { Context } from "hono";
import { ApiFailure, toApiError } from "../http/errors.ts";
import type { ApiError } from "../http/errors.ts";
import { addGet, refuseOtherMethods, respond } from "../http/routes.ts";
import type { App, Env } from "../http/routes.ts";
import type { Item } from "./items.ts";
import type { ResponseStore, StoredResponse } from "./response-store.ts";

const PATH = "/v1/responses/:id";
const ITEMS_PATH = `${PATH}/input_items`;
const CANCEL_PATH = `${PATH}/cancel`;

export function addStoredResponses(app: App, store: ResponseStore): void {
  addGet(app, PATH, async (c) => {
    if (c.req.query("stream") === "true") throw new ApiFailure(noReplay());
    return find(store, c).response;
  });
  app.delete(PATH, (c) => {
    const id = c.req.param("id");
    if (!store.delete(id)) return respond(c, notStored("Response", id, "response_id"));
    return c.json({ id, object: "response", deleted: true });
  });
  addGet(app, ITEMS_PATH, async (c) => toPage(find(store, c).input, c));
  app.post(CANCEL_PATH, (c) => {
    const id = c.req.param("id");
    if (store.get(id) === undefined) return respond(c, notStored("Response", id, "response_id"));
    const message =
      "Only a response that was created with `background: true` can be cancelled, and this server makes none. Close the connection to stop one.";
    return respond(c, toApiError(400, message, { code: "unsupported" }));
  });
  refuseOtherMethods(app, [PATH], "GET, DELETE");
  refuseOtherMethods(app, [ITEMS_PATH], "GET");
  refuseOtherMethods(app, [CANCEL_PATH], "POST");
}

/** As OpenAI words it. */
export function notStored(what: "Response" | "Item", id: string, param: string): ApiError {
  const message = `${what} with id '${id.slice(0, 200)}' not found. This server keeps the newest responses in memory, unless \`store\` is false.`;
  return toApiError(404, message, { param, code: "not_found", headers: { "x-should-retry": "false" } });
}

function noReplay(): ApiError {
  const message = "`stream`: a response that is over is not streamed again; ask without it.";
  return toApiError(400, message, { param: "stream", code: "unsupported" });
}

function find(store: ResponseStore, c: Context<Env>): StoredResponse {
  const id = c.req.param("id") ?? "";
  const stored = store.get(id);
  if (stored === undefined) throw new ApiFailure(notStored("Response", id, "response_id"));
  return stored;
}

const PAGE_ITEMS = 20;
const MOST_PAGE_ITEMS = 100;

/** `limit` 1 to 100, `order` `desc` or `asc`, `after` an item's id. */
function toPage(input: readonly Item[], c: Context<Env>): unknown {
  const ordered = c.req.query("order") === "asc" ? input : input.toReversed();
  const after = c.req.query("after");
  const start = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  const limit = Number(c.req.query("limit") ?? PAGE_ITEMS);
  if (!Number.isInteger(limit) || limit < 1 || limit > MOST_PAGE_ITEMS) {
    const message = `\`limit\` is \`${c.req.query("limit")}\`: expected a whole number from 1 to ${MOST_PAGE_ITEMS}.`;
    throw new ApiFailure(toApiError(400, message, { param: "limit" }));
  }
  const data = ordered.slice(start, start + limit).map(toListed);
  return {
    object: "list",
    data,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: start + limit < ordered.length,
  };
}

/** Clients expect lists of parts, whichever way a message came. */
function toListed(item: Item): Item {
  const { role, content } = item;
  if (item["type"] !== "message" || typeof content !== "string") return { status: "completed", ...item };
  const type = role === "assistant" ? "output_text" : "input_text";
  const part = { type, text: content, ...(role === "assistant" ? { annotations: [] } : {}) };
  return { status: "completed", ...item, content: [part] };
}
