/** A real model that really reads every prompt, and a script that says what it answers: counters are llama.cpp's own. */
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, resolve } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { createFixedCatalog, toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { createModelManager } from "../../src/engine/manager/model-manager.ts";
import { createForkedEngine } from "../../src/engine/engine.ts";
import { planLoad } from "../../src/engine/plan/model-file.ts";
import { createApp } from "../../src/server/index.ts";
import {
  callReply,
  isSummaryRequest,
  textReply,
  type ScriptedReply,
  type WindowedAnswer,
  type WindowedScript,
} from "../../src/testing/index.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const ALIGNMENT = 32;
const TRAINED_TOKENS = 32_768;
const KEY = "forward-pass";

/** The practice model's own template leaves out the system message; a model of use shows it. */
const TEMPLATE = `{%- if tools -%}<|tool|>{%- for t in tools -%}{{ t.function.name }} {% endfor -%}<|end|>{%- endif -%}
{%- for m in messages -%}
{%- if m.role == 'assistant' -%}<|assistant|>{%- if m.content -%}{{ m.content }}{%- endif -%}
{%- if m.tool_calls -%}{%- for t in m.tool_calls -%}<tool_call>{"name": "{{ t.function.name }}", "arguments": {{ t.function.arguments | tojson }}}</tool_call>{%- endfor -%}{%- endif -%}<|end|>
{%- elif m.role == 'tool' -%}<|tool|>{{ m.content }}<|end|>
{%- else -%}<|user|>{{ m.content }}<|end|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}`;

/** One request, as the engine counted it. */
export interface Reading {
  promptTokens: number;
  cachedTokens: number;
  slot: number | undefined;
  isSummary: boolean;
}

export interface ForwardPass extends AsyncDisposable {
  readonly url: string;
  readonly key: string;
  readonly readings: readonly Reading[];
  /** Requests that the engine refused, as it said so. */
  readonly refusals: readonly string[];
}

/** `folder` gets a copy of the model. */
export async function startForwardPass(
  script: WindowedScript,
  { folder, contextTokens }: { folder: string; contextTokens: number },
): Promise<ForwardPass> {
  const modelPath = join(folder, "small.gguf");
  await writeFile(modelPath, toSmallModel(await readFile(join(ROOT, "practice-model/practice.gguf"))));
  const load = { ...(await planLoad({ modelPath, threads: 1 })), contextTokens, slots: 1 };
  const engine = createForkedEngine({
    childEntry: join(ROOT, "dist/bin/engine-child.js"),
    load,
    log: () => {},
  });
  const models = createModelManager({
    catalog: createFixedCatalog([await toFileEntry(modelPath)]),
    createEngine: () => engine,
    planLoad: async () => load,
    log: () => {},
  });
  // As a private server does: whoever asks for the window gets that of the load.
  await models.load("small", { ttlMs: null }, { signal: new AbortController().signal });
  const services = {
    models,
    version: "0.0.0",
    now: () => new Date(),
    log: () => {},
    settings: { jit: true, reasoningField: "content" as const },
  };
  const app = createApp({ services, apiKey: KEY });
  const serve = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = await listen(createServer((incoming, outgoing) => void serve(incoming, outgoing)));
  const readings: Reading[] = [];
  const refusals: string[] = [];
  let step = 0;
  const proxy = await listen(
    createServer((incoming, outgoing) => {
      void (async () => {
        const body = await readBody(incoming);
        const reply = await forward(incoming, body);
        outgoing.writeHead(reply.status ?? 200, reply.headers);
        outgoing.end(toText(reply));
      })().catch(() => outgoing.destroy());
    }),
  );
  const forward = async (incoming: IncomingMessage, body: string): Promise<ScriptedReply> => {
    const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
    const url = `${addressOf(server)}${incoming.url ?? ""}`;
    if (incoming.method !== "POST") return toPlain(await fetch(url, { headers }));
    const request = JSON.parse(body) as Record<string, unknown>;
    // The prompt is read as it would be; only one token is generated after it.
    const short = { ...request, max_tokens: 1, stream: false, temperature: 0, tool_choice: "none" };
    const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(short) });
    if (!answer.ok) {
      const plain = await toPlain(answer);
      refusals.push(toText(plain));
      return plain;
    }
    const { usage, timings } = (await answer.json()) as { usage: Counts; timings: Record<string, unknown> };
    const isSummary = isSummaryRequest(request);
    readings.push({
      promptTokens: usage.prompt_tokens,
      cachedTokens: usage.prompt_tokens_details.cached_tokens,
      slot: typeof request["id_slot"] === "number" ? request["id_slot"] : undefined,
      isSummary,
    });
    if (!isSummary) step += 1;
    const said = script({ step, isSummary, body: request });
    return "parts" in said ? said : toReply(said, { usage: { ...usage }, timings });
  };
  return {
    url: addressOf(proxy),
    key: KEY,
    readings,
    refusals,
    [Symbol.asyncDispose]: async () => {
      for (const one of [proxy, server]) {
        one.close();
        one.closeAllConnections();
      }
      await models[Symbol.asyncDispose]();
    },
  };
}

interface Counts {
  prompt_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

function toReply(
  { text = "", calls = [] }: WindowedAnswer,
  counters: { usage: Record<string, unknown>; timings: Record<string, unknown> },
): ScriptedReply {
  const options = { ...counters, pieceChars: 200 };
  return calls.length === 0 ? textReply(text, options) : callReply(calls, { ...options, text });
}

function toText({ parts }: ScriptedReply): string {
  return parts.filter((part) => typeof part === "string").join("");
}

async function toPlain(answer: Response): Promise<ScriptedReply> {
  return {
    status: answer.status,
    headers: { "content-type": answer.headers.get("content-type") ?? "application/json" },
    parts: [await answer.text()],
  };
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

async function listen(server: Server): Promise<Server> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/**
 * The practice model with a template that shows everything, and made believe that it was trained for longer texts. Metadata of a GGUF file
 * is keys with typed values: 4 is a number of 32 bits; 8 a string, its length in 64 bits. Tensors behind it are aligned, so that it may
 * grow by whole steps only.
 */
function toSmallModel(original: Buffer): Buffer {
  const file = Buffer.from(original);
  file.writeUInt32LE(TRAINED_TOKENS, findValue(file, ".context_length", 4));
  const size = findValue(file, "tokenizer.chat_template", 8);
  const length = Number(file.readBigUInt64LE(size));
  const needed = Buffer.byteLength(TEMPLATE) + "{##}".length;
  const padding = (((length - needed) % ALIGNMENT) + ALIGNMENT) % ALIGNMENT;
  const template = Buffer.from(`${TEMPLATE}{#${" ".repeat(padding)}#}`);
  const head = Buffer.from(file.subarray(0, size + 8));
  head.writeBigUInt64LE(BigInt(template.length), size);
  return Buffer.concat([head, template, file.subarray(size + 8 + length)]);
}

/** Where the value of a key starts. */
function findValue(file: Buffer, key: string, type: number): number {
  const end = file.indexOf(key) + key.length;
  if (end < key.length || file.readUInt32LE(end) !== type) throw new Error(`the model has no \`${key}\``);
  return end + 4;
}
