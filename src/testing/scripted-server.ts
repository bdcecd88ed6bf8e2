import { once } from "node:events";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { ScriptedReply } from "./scripted-replies.ts";
import { errorReply, jsonReply } from "./scripted-replies.ts";

export interface RecordedRequest {
  method: string;
  /** With the query. */
  path: string;
  headers: Readonly<http.IncomingHttpHeaders>;
  /** As it came. */
  body: string;
  /** Parsed; `undefined` when it is no JSON. */
  json: unknown;
  /** Milliseconds on the clock of `performance.now()`. */
  atMs: number;
  /** When the last byte of the reply was handed to the system; absent before. */
  repliedAtMs?: number;
  /** The client closed the connection before the reply was over. */
  abandoned: boolean;
}

/** Replies for the chat requests, in order, or a function that makes each. */
export type Script =
  | readonly ScriptedReply[]
  | ((request: RecordedRequest, chats: number) => ScriptedReply | Promise<ScriptedReply>);

export interface ScriptedServerOptions {
  /** Replies for other routes, by `GET /props` and the like. Without an entry: `GET /v1/models` lists `scripted`, others 404. */
  routes?: Readonly<Record<string, ScriptedReply>>;
  /** Default any free one. */
  port?: number;
}

export interface ScriptedServer {
  /** Such as `http://127.0.0.1:41234`; the chat route is below `/v1`. */
  readonly url: string;
  /** All requests so far, in the order in which they came. */
  readonly requests: readonly RecordedRequest[];
  /** Those for a reply. */
  readonly chats: readonly RecordedRequest[];
  /** How many connections were opened so far. */
  readonly connections: number;
  /** Ends every connection; nothing is left afterwards. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const CHAT = "POST /v1/chat/completions";

/** A model server over real HTTP on this machine that says what a test wants it to say, and records every request. */
export async function startScriptedServer(
  script: Script,
  options: ScriptedServerOptions = {},
): Promise<ScriptedServer> {
  const requests: RecordedRequest[] = [];
  const ended = new AbortController();
  const isChat = ({ method, path }: RecordedRequest) => `${method} ${path}` === CHAT;
  const server = http.createServer((incoming, outgoing) => {
    void answer(incoming, outgoing).catch(() => outgoing.destroy());
  });
  const answer = async (incoming: http.IncomingMessage, outgoing: http.ServerResponse): Promise<void> => {
    const atMs = performance.now();
    const request = await record(incoming, atMs);
    requests.push(request);
    const number = requests.filter(isChat).length;
    outgoing.once("close", () => {
      request.abandoned = !outgoing.writableFinished;
    });
    const reply = isChat(request)
      ? await toChatReply(script, request, number)
      : toOtherReply(request, options);
    await play(reply, outgoing, ended.signal);
    request.repliedAtMs = performance.now();
  };
  let connections = 0;
  server.on("connection", () => {
    connections += 1;
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    ended.abort();
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get chats() {
      return requests.filter(isChat);
    },
    get connections() {
      return connections;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function record(incoming: http.IncomingMessage, atMs: number): Promise<RecordedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString("utf8");
  const { method = "", url: path = "", headers } = incoming;
  return { method, path, headers, body, json: parseJson(body), atMs, abandoned: false };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function toChatReply(script: Script, request: RecordedRequest, number: number): Promise<ScriptedReply> {
  if (typeof script === "function") return script(request, number);
  return script[number - 1] ?? errorReply(400, `The script has no reply for request ${number}.`);
}

function toOtherReply(
  { method, path }: RecordedRequest,
  { routes = {} }: ScriptedServerOptions,
): ScriptedReply {
  const key = `${method} ${path}`;
  const listed = { object: "list", data: [{ id: "scripted", object: "model", owned_by: "scripted" }] };
  if (key === "GET /v1/models" && !routes[key]) return jsonReply(listed);
  return routes[key] ?? errorReply(404, `There is no route \`${key}\`.`);
}

async function play(reply: ScriptedReply, outgoing: http.ServerResponse, signal: AbortSignal): Promise<void> {
  const { status = 200, headers = {}, parts } = reply;
  const silent = parts.length === 1 && typeof parts[0] === "object" && "do" in parts[0];
  if (!silent) outgoing.writeHead(status, headers);
  for (const part of parts) {
    if (outgoing.destroyed) return;
    if (typeof part === "string" || part instanceof Uint8Array) await write(outgoing, part);
    else if (part.do === "wait") await delay(part.ms, undefined, { signal });
    else if (part.do === "hang") {
      if (!silent) outgoing.flushHeaders();
      return;
    } else {
      outgoing.destroy();
      return;
    }
  }
  outgoing.end();
}

/** Waits for the system to take it, so that parts arrive apart. */
function write(outgoing: http.ServerResponse, part: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    outgoing.write(part, () => resolve());
  });
}
