import { AgentError } from "../core/errors.ts";
import type { ModelInfo, ServerKind } from "../core/model.ts";
import type { ServerUrl } from "./base-url.ts";
import type { JsonAnswer } from "./fetch-json.ts";
import { toKeyMessage } from "./failure.ts";
import { fetchJson } from "./fetch-json.ts";
import type { ServerAnswers } from "./identify.ts";
import type { Json } from "./json.ts";
import {
  chooseModel,
  identifyServer,
  isSameOllamaModel,
  isUnloaded,
  listModelIds,
  listOf,
  readFacts,
  readShown,
  speaksOf,
} from "./identify.ts";
import type { ProfileRule } from "./profile.ts";
import { findProfile } from "./profile.ts";
import { sleep } from "./retry.ts";
import type { TemplateFacts } from "./template.ts";
import { readPropsTemplate, readShownTemplate } from "./template.ts";
import type { ConnectionFailureKind, Transport } from "./transport.ts";
import { toUnavailable } from "./unavailable.ts";

export interface DescribeOptions {
  /** As named by the user; `undefined`: choose one that the server has. */
  id: string | undefined;
  server: ServerUrl;
  headers: Readonly<Record<string, string>>;
  transport: Transport;
  profiles: readonly ProfileRule[];
  signal: AbortSignal | undefined;
  /** Longest wait for a server that is loading its model, for until then it knows no window. */
  loadingMs: number;
}

export interface Description {
  info: ModelInfo;
  /** Something is a guess that the first request will settle, because the model is not loaded yet. */
  provisional: boolean;
}

/** Long enough for a busy machine, short enough not to be felt when a server ignores a route. */
const PROBE_MS = 1_500;
const ASK_AGAIN_MS = 500;

const ROUTES = {
  models: "",
  props: "/props",
  native: "/api/v1/models",
  nativeV0: "/api/v0/models",
  running: "/api/ps",
  health: "/health",
} as const satisfies Record<keyof ServerAnswers, string>;

/** Asks all routes at once what this server is and what it has loaded; what it does not know it refuses quickly. */
export async function describeModel(options: DescribeOptions): Promise<Description> {
  const { answers: first, loading } = await askUntilLoaded(options);
  const kind = identifyServer(first);
  const id = options.id ?? chooseModel(kind, first) ?? "default";
  checkListed(kind, id, { answers: first, options });
  const answers = kind === "lmagent" ? await askOfModel(id, { answers: first, options }) : first;
  const asked = kind === "ollama" ? await showModel(id, { answers, options }) : {};
  const template =
    kind === "llama-server" || (kind === "lmagent" && speaksOf(id, answers))
      ? await readPropsTemplate(answers.props)
      : {};
  const facts = { ...asked, ...template, ...readFacts(kind, id, answers) };
  const guessed =
    (kind === "ollama" && readFacts(kind, id, answers).contextTokens === undefined) ||
    (kind === "lmagent" && isUnloaded(id, answers));
  const info: ModelInfo = {
    id,
    server: kind,
    baseUrl: options.server.api,
    ...facts,
    ...(guessed ? { loaded: false } : {}),
    profile: findProfile(id, options.profiles),
  };
  return { info, provisional: guessed || loading || isStarting(kind, answers) };
}

/** Our own server may hold several models, and speaks of the first one unless it is asked about another. */
async function askOfModel(
  id: string,
  { answers, options }: { answers: ServerAnswers; options: DescribeOptions },
): Promise<ServerAnswers> {
  if (speaksOf(id, answers) || isUnloaded(id, answers)) return answers;
  const { server, transport, headers, signal } = options;
  const url = `${server.root}/props?model=${encodeURIComponent(id)}`;
  const props = toValue(await fetchJson(transport, url, { headers, timeoutMs: PROBE_MS, signal }));
  // Its alias may be another name of the same model.
  return "total_slots" in props ? { ...answers, props: { ...props, model_alias: id } } : answers;
}

/** Ours answers at once with what it plans; the template is known with the model. */
function isStarting(kind: ServerKind, { models, props }: ServerAnswers): boolean {
  const states = listOf(models, "data").map((model) => model["state"]);
  return kind === "lmagent" && states.includes("loading") && props["chat_template"] === undefined;
}

interface Asked {
  answers: ServerAnswers;
  /** Some route said 503: ask again later. */
  loading: boolean;
}

/** A server that is still reading its model from disk answers 503 on all routes. */
async function askUntilLoaded(options: DescribeOptions): Promise<Asked> {
  let asked = await askAll(options);
  for (let waitedMs = 0; asked.loading && waitedMs < options.loadingMs; waitedMs += ASK_AGAIN_MS) {
    await sleep(ASK_AGAIN_MS, options.signal);
    asked = await askAll(options);
  }
  return asked;
}

async function askAll(options: DescribeOptions): Promise<Asked> {
  const { server, transport, headers, signal } = options;
  const names = Object.keys(ROUTES) as (keyof ServerAnswers)[];
  const ask = (name: keyof ServerAnswers) =>
    fetchJson(transport, name === "models" ? `${server.api}/models` : `${server.root}${ROUTES[name]}`, {
      headers,
      timeoutMs: PROBE_MS,
      signal,
    });
  const answers = await Promise.all(names.map(ask));
  await checkReachable(answers, options);
  const values = Object.fromEntries(names.map((name, at) => [name, toValue(answers[at])])) as unknown;
  return { answers: values as ServerAnswers, loading: answers.some((answer) => answer.status === 503) };
}

function toValue(answer: JsonAnswer | undefined): Json {
  return answer && "value" in answer && answer.status < 400 ? answer.value : {};
}

const UNANSWERED: readonly ConnectionFailureKind[] = ["refused", "unreachable", "no_tls"];

async function checkReachable(answers: readonly JsonAnswer[], options: DescribeOptions): Promise<void> {
  const { server, transport, signal } = options;
  const failures = answers.map((answer) => ("failure" in answer ? answer.failure : undefined));
  const lost = failures.find((failure) => failure && UNANSWERED.includes(failure.kind));
  if (lost && failures.every(Boolean))
    throw await toUnavailable(lost, { url: server.api, transport, signal });
  const models = answers[0];
  if (models?.status === 401 || models?.status === 403) {
    throw new AgentError(
      "model_rejected",
      toKeyMessage(models.status, { url: server.api, hasKey: "authorization" in options.headers }),
      { data: { url: server.api, status: models.status } },
    );
  }
}

/** Whether a name is known is certain only where the list is complete; elsewhere the first request tells. */
const COMPLETE_LISTS: readonly ServerKind[] = ["lmagent", "lmstudio", "ollama", "vllm"];

function checkListed(
  kind: ServerKind,
  id: string,
  { answers, options }: { answers: ServerAnswers; options: DescribeOptions },
): void {
  if (options.id === undefined || !COMPLETE_LISTS.includes(kind)) return;
  const ids = listModelIds(kind, answers);
  const known = ids.some((one) => one === id || (kind === "ollama" && isSameOllamaModel(one, id)));
  if (ids.length > 0 && !known) throw toUnknownModel(id, { url: options.server.api, ids });
}

const MAX_LISTED = 12;

/** Names the models that the server does have. */
export function toUnknownModel(
  id: string,
  { url, ids }: { url: string; ids: readonly string[] },
): AgentError {
  const listed = ids.slice(0, MAX_LISTED).map((one) => `\`${one}\``);
  const more = ids.length > MAX_LISTED ? ` and ${ids.length - MAX_LISTED} more` : "";
  const has =
    listed.length > 0
      ? `It has ${listed.join(", ")}${more}; choose one with \`--model\`.`
      : "Check the name and the URL.";
  return new AgentError("model_rejected", `The server at \`${url}\` has no model \`${id}\`. ${has}`, {
    data: { url, status: 404, model: id, models: [...ids] },
  });
}

async function showModel(
  id: string,
  { answers, options }: { answers: ServerAnswers; options: DescribeOptions },
): Promise<ReturnType<typeof readShown> & TemplateFacts> {
  const { server, transport, headers, signal } = options;
  const loaded = readFacts("ollama", id, answers).contextTokens !== undefined;
  const shown = await fetchJson(transport, `${server.root}/api/show`, {
    headers,
    body: { model: id },
    timeoutMs: PROBE_MS,
    signal,
  });
  const facts = readShown(toValue(shown));
  if (loaded) delete facts.contextTokens;
  return { ...facts, ...(await readShownTemplate(toValue(shown))) };
}
