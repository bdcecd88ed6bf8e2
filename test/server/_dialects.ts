/** The server's routes in this process, over real engine children: the practice model, and one that thinks before it answers. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import * as fc from "../_property.ts";
import { createFixedCatalog, toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { createForkedEngine } from "../../src/engine/engine.ts";
import { createModelManager } from "../../src/engine/manager/model-manager.ts";
import type { ModelManager } from "../../src/engine/manager/model-manager.ts";
import { createApp } from "../../src/server/app.ts";
import type { LoadOptions } from "../../src/engine/protocol.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { ENTRIES, PRACTICE_MODEL } from "../engine/_bundle.ts";
import { PRACTICE } from "../engine/_practice.ts";
import { ask, TOOLS, waitFor } from "./_agent.ts";
import type { Answer, Json } from "./_agent.ts";

export const KEY = "sk-dialects";
export const THOUGHT = "Let me see";
export const ANSWER = "The answer is 4.";

export interface Dialects extends AsyncDisposable {
  /** Without a slash at the end. */
  url: string;
  models: ModelManager;
  /** `body` as it is when it is a string, else as JSON. */
  post(path: string, body: unknown, options?: PostOptions): Promise<Answer>;
  /** True when no slot of any model works any more. */
  rests(): Promise<boolean>;
}

export interface PostOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  onText?: (text: string) => void;
}

/** Models `practice` and `thinker`; `load` is put over the plan of each. */
export async function startDialects(load: Partial<LoadOptions> = {}): Promise<Dialects> {
  const folder = await mkdtemp(join(tmpdir(), "lmagent-dialects-"));
  const thinker = join(folder, "thinker.gguf");
  await writeTinyModel(thinker, {
    script: ["<think>", "Let", " me", " see", "</think>", "The", " answer", " is", " 4", "."],
  });
  const models = createModelManager({
    catalog: createFixedCatalog([
      { ...(await toFileEntry(PRACTICE_MODEL)), key: "practice" },
      await toFileEntry(thinker),
    ]),
    createEngine: (plan) =>
      createForkedEngine({
        childEntry: ENTRIES.engineChild,
        load: { ...plan, ...load, threads: 1 },
        log: () => {},
      }),
    log: () => {},
  });
  const services = {
    models,
    version: "1.2.3",
    now: () => new Date(),
    log: () => {},
    settings: { jit: true, reasoningField: "content" as const },
  };
  const app = createApp({ services, apiKey: KEY });
  const serve = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    models,
    post: (path, body, { headers, ...options } = {}) =>
      ask(url + path, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${KEY}`, ...headers },
        body: typeof body === "string" ? body : JSON.stringify(body),
        ...options,
      }),
    rests: () =>
      waitFor(async () => {
        const slots = await Promise.all(models.loaded().map(({ engine }) => engine.slots()));
        return slots.flat().every(({ busy }) => !busy);
      }, 5_000),
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await models[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The grammar makes a call to this one long: sixty fields that must all be there. */
export const LONG_PARAMETERS = {
  type: "object" as const,
  properties: Object.fromEntries(
    Array.from({ length: 60 }, (_, at) => [`field_number_${at}`, { enum: ["a".repeat(40)] }]),
  ),
  required: Array.from({ length: 60 }, (_, at) => `field_number_${at}`),
};

/** Nearly all of the practice model's window: a word and its space are two tokens. */
export const LONG_PROMPT = "word ".repeat(PRACTICE.contextTokens * 0.45);

/** `TOOLS` as Anthropic's messages and OpenAI's responses have them. */
export const MESSAGE_TOOLS = TOOLS.map(({ function: { parameters, ...tool } }) => ({
  ...tool,
  input_schema: parameters,
}));
export const RESPONSE_TOOLS = TOOLS.map(({ function: tool }) => ({
  type: "function" as const,
  strict: false,
  ...tool,
}));

/** Tokens in the fullest slot of any model. */
export async function readTokens(models: ModelManager): Promise<number> {
  const slots = await Promise.all(models.loaded().map(({ engine }) => engine.slots()));
  return Math.max(0, ...slots.flat().map(({ tokens }) => tokens));
}

/** As a crash of native code would end it. */
export function killEngine(models: ModelManager): void {
  const pid = models.loaded()[0]?.engine.pid;
  if (pid === undefined) throw new Error("no engine runs");
  process.kill(pid, "SIGKILL");
}

/** What a server answers to the head of a request whose body would be far too large. */
export async function announceBody(url: string, path: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, "connect");
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${KEY}\r\ncontent-length: 999999999\r\n\r\n`,
  );
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return answer.toString();
}

/** A valid body in which one value, anywhere, is another one. */
export function mutate(valid: Json): fc.Arbitrary<unknown> {
  const places = placesOf(valid);
  return fc
    .record({ place: fc.constantFrom(...places), value: fc.jsonValue({ maxDepth: 3 }) })
    .map(({ place, value }) => replaceAt(valid, place, value));
}

type Place = readonly string[];

function placesOf(value: unknown, at: Place = []): Place[] {
  if (typeof value !== "object" || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, one]) => placesOf(one, [...at, key]))];
}

function replaceAt(value: unknown, [key, ...rest]: Place, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((one, at) => (String(at) === key ? replaceAt(one, rest, by) : one));
  const object = value as Json;
  return { ...object, [key]: replaceAt(object[key], rest, by) };
}
