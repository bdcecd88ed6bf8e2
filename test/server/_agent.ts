/** A running server with its engine, as an agent gets it, and a client that speaks plain HTTP to it. */
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acquireEngine } from "../../src/engine/index.ts";
import type { AcquiredEngine, AcquireOptions } from "../../src/engine/index.ts";
import { ENTRIES, PRACTICE_MODEL } from "../engine/_bundle.ts";

export interface TestHome {
  home: string;
  entries: AcquireOptions["entries"];
  acquire(options?: Partial<AcquireOptions>): Promise<AcquiredEngine>;
  /** Releases everything, waits for the servers to end, and removes the folder. */
  close(): Promise<void>;
}

export async function createTestHome(): Promise<TestHome> {
  const home = await mkdtemp(join(tmpdir(), "lmagent-home-"));
  const acquired: AcquiredEngine[] = [];
  return {
    home,
    entries: ENTRIES,
    acquire: async (options = {}) => {
      const engine = await acquireEngine({
        home,
        version: "1.2.3",
        modelPath: PRACTICE_MODEL,
        entries: ENTRIES,
        graceMs: 200,
        threads: 1,
        env: process.env,
        ...options,
      });
      acquired.push(engine);
      return engine;
    },
    close: async () => {
      for (const engine of acquired) engine.release();
      await Promise.all(acquired.map(({ pid }) => endProcess(pid)));
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** Servers end by themselves; one that does not must not outlive its test. */
async function endProcess(pid: number): Promise<void> {
  if (await hasEnded(pid, 5_000)) return;
  process.kill(pid, "SIGKILL");
  await hasEnded(pid, 2_000);
}

export async function hasEnded(pid: number, withinMs: number): Promise<boolean> {
  return waitFor(() => !isAlive(pid), withinMs);
}

export async function waitFor(
  condition: () => boolean | Promise<boolean>,
  withinMs: number,
): Promise<boolean> {
  for (const end = Date.now() + withinMs; Date.now() < end;) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Linux only, as are the tests that use it. */
export async function engineChildOf(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return Number.parseInt(children, 10);
}

/** Processor time of a process so far, in hundredths of a second. */
export async function readTicks(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ").at(-1)?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

export type Json = Record<string, unknown>;

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  text: string;
  json: Json;
}

export interface AskOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
  /** Called with each piece of the body. */
  onText?: (text: string) => void;
}

export function ask(
  url: string,
  { method = "GET", headers = {}, body, signal, onText }: AskOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      method,
      headers,
      agent: false,
      ...(signal === undefined ? {} : { signal }),
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("error", reject);
      response.on("data", (piece: string) => {
        text += piece;
        onText?.(piece);
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: toJson(text) }),
      );
    });
    asked.end(body);
  });
}

function toJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return {};
  }
}

export function chat(engine: AcquiredEngine, body: Json, options: AskOptions = {}): Promise<Answer> {
  return ask(`${engine.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${engine.apiKey}`, "content-type": "application/json" },
    body: JSON.stringify({ temperature: 0, ...body }),
    ...options,
  });
}

export interface Chunk {
  choices: { delta: Delta; finish_reason: string | null }[];
  usage?: Usage;
  timings?: Json;
  prompt_progress?: Json;
  error?: Json;
}

interface Delta {
  role?: string;
  content?: string | null;
  tool_calls?: {
    index: number;
    id?: string;
    type?: string;
    function: { name?: string; arguments: string };
  }[];
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

/** The chunks of a stream, which must end with `[DONE]`. */
export function toChunks(text: string): Chunk[] {
  const frames = text.split("\n\n").filter((frame) => frame.startsWith("data: "));
  if (frames.pop() !== "data: [DONE]") throw new Error(`no [DONE] at the end of: ${text}`);
  return frames.map((frame) => JSON.parse(frame.slice("data: ".length)) as Chunk);
}

/** The calls of a stream, put together as a client does. */
export function joinCalls(chunks: readonly Chunk[]): { name: string; arguments: string }[] {
  const calls: { name: string; arguments: string }[] = [];
  for (const piece of chunks.flatMap(({ choices }) =>
    choices.flatMap(({ delta }) => delta.tool_calls ?? []),
  )) {
    const call = (calls[piece.index] ??= { name: piece.function.name ?? "", arguments: "" });
    call.arguments += piece.function.arguments;
  }
  return calls;
}

export function joinContent(chunks: readonly Chunk[]): string {
  return chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta.content ?? "")).join("");
}

export interface FunctionTool extends Json {
  type: "function";
  function: {
    name: string;
    description: string;
    parameters: { type: "object"; properties: Record<string, Json>; required: string[] };
  };
}

export function defineTool(
  name: string,
  parameters: Record<string, Json>,
  required: string[] = Object.keys(parameters),
): FunctionTool {
  return {
    type: "function",
    function: { name, description: name, parameters: { type: "object", properties: parameters, required } },
  };
}

const TEXT = { type: "string" };

/** Some of those that the practice model was trained with; it calls no others, unless the grammar makes it. */
export const TOOLS = [
  defineTool("read", { path: TEXT }),
  defineTool("write", { path: TEXT, content: TEXT }),
  defineTool("edit", { path: TEXT, old: TEXT, new: TEXT }),
  defineTool("glob", { pattern: TEXT }),
  defineTool("grep", { pattern: TEXT, path: TEXT }, ["pattern"]),
  defineTool("ls", { path: TEXT }, []),
  defineTool("mkdir", { path: TEXT }),
];

/** What the agent answers when `write` has made a file notes.txt that holds "buy milk". */
export const CREATED = '{"ok":true,"output":"created notes.txt (8 bytes, 1 line)"}';
