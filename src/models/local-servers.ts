import type { ServerKind } from "../core/model.ts";
import { fetchJson } from "./fetch-json.ts";
import type { Json } from "./json.ts";
import { isReadyToChat, listOf } from "./identify.ts";
import type { Transport } from "./transport.ts";

export interface LocalServer {
  kind: ServerKind;
  /** Base of the OpenAI-compatible routes. */
  baseUrl: string;
  /** Ids of the models it lists. */
  models: readonly string[];
  /** Of our own server: those that are loaded and can chat. It lists every model on the machine, in no order of preference. */
  loaded?: readonly string[];
}

export interface DiscoverOptions {
  transport: Transport;
  signal?: AbortSignal | undefined;
  /** Longest wait for a server that accepts and does not answer; default 1 s. A closed port answers at once. */
  timeoutMs?: number;
}

interface Candidate {
  kind: ServerKind;
  port: number;
}

const CANDIDATES: readonly Candidate[] = [
  { kind: "lmstudio", port: 1234 },
  { kind: "ollama", port: 11434 },
  { kind: "llama-server", port: 8080 },
  { kind: "vllm", port: 8000 },
];

/** Model servers that run on this machine at their usual ports, in the order in which they are preferred. */
export async function discoverLocalServers(options: DiscoverOptions): Promise<LocalServer[]> {
  return findServers(CANDIDATES, options);
}

/** The same for any list of ports. */
export async function findServers(
  candidates: readonly Candidate[],
  options: DiscoverOptions,
): Promise<LocalServer[]> {
  const found = await Promise.all(candidates.map((candidate) => findServer(candidate, options)));
  return found.filter((server) => server !== undefined);
}

/** Anything may listen at these ports: only a list of models makes it a model server. */
async function findServer(
  { kind, port }: Candidate,
  options: DiscoverOptions,
): Promise<LocalServer | undefined> {
  const { transport, signal, timeoutMs = 1_000 } = options;
  const root = `http://127.0.0.1:${port}`;
  const ask = (path: string) => fetchJson(transport, `${root}${path}`, { timeoutMs, signal });
  const answer = await ask("/v1/models");
  if (answer.status !== 200 || !Array.isArray(answer.value["data"])) return undefined;
  const list = listOf(answer.value, "data");
  const found = { baseUrl: `${root}/v1`, models: toIds(list) };
  if (!isOurs(await ask("/health"))) return { kind, ...found };
  return { kind: "lmagent", ...found, loaded: toIds(list.filter(isReadyToChat)) };
}

function toIds(models: readonly Json[]): string[] {
  return models.map((model) => String(model["id"]));
}

function isOurs(answer: { status: number; value?: Json }): boolean {
  return answer.status === 200 && answer.value?.["server"] === "lmagent";
}
