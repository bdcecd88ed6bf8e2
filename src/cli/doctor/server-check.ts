/** Asks the chosen server, and no other, what it is; nothing is started or loaded, and nothing is waited for. */
import { join } from "node:path";
import { AgentError, errorMessage } from "../../core/errors.ts";
import type { ModelInfo } from "../../core/model.ts";
import { discoverLocalServers, parseBaseUrl, type LocalServer } from "../../models/index.ts";
import { fetchJson } from "../../models/fetch-json.ts";
import { createHttpTransport } from "../../models/node/index.ts";
import { findModelChoice, type FoundModel } from "../model-choice.ts";
import { openProfiles, type Profiles } from "../profiles.ts";
import type { Settings } from "../settings.ts";
import type { DoctorCheck } from "./checks.ts";
import { checkModelInfo, checkProfiles } from "./model-check.ts";
import { quoteForShell } from "./quote.ts";

const ANSWER_MS = 1_500;
const DESCRIBE_MS = 5_000;
const OTHERS_MS = 500;
const EMBEDDED = "embedded";

export interface ServerFound {
  checks: readonly DoctorCheck[];
  /** Our own runtime would serve. */
  embedded: boolean;
}

/** Which model would serve, and what is wrong with it. */
export async function checkServer(settings: Settings): Promise<ServerFound> {
  const { profiles, checks } = await readProfiles(settings);
  const fault = await findSilence(settings);
  if (fault !== undefined) return { checks: [...checks, fault], embedded: false };
  let found: FoundModel;
  try {
    found = await findModelChoice(settings, { signal: AbortSignal.timeout(DESCRIBE_MS) });
  } catch (error) {
    const embedded = settings.baseUrl === EMBEDDED;
    return { checks: [...checks, toBroken(settings, error)], embedded };
  }
  if ("modelPath" in found) {
    const detail = `${found.modelPath} in the embedded runtime, which starts with the first request`;
    return { checks: [...checks, { name: "model", status: "ok", detail }], embedded: true };
  }
  const applied = profiles?.apply(found.info) ?? found.info;
  const place = await readPlace(applied, settings);
  const info = { ...applied, ...place, isDaemon: found.isDaemon };
  const warnings = profiles === undefined ? [] : checkProfiles(profiles, info);
  return {
    checks: [...checks, ...checkModelInfo(info, settings), ...warnings],
    embedded: false,
  };
}

async function readProfiles(
  settings: Settings,
): Promise<{ profiles?: Profiles; checks: readonly DoctorCheck[] }> {
  try {
    return { profiles: await openProfiles(settings), checks: [] };
  } catch (error) {
    const fix = `correct it in ${join(settings.home, "config.yaml")}, then lmagent doctor`;
    return { checks: [{ name: "profiles", status: "broken", detail: errorMessage(error), fix }] };
  }
}

/** A server that was named and takes connections without a word, or that is not ready, is not asked anything more. */
async function findSilence(settings: Settings): Promise<DoctorCheck | undefined> {
  const { baseUrl } = settings;
  if (baseUrl === undefined || baseUrl === EMBEDDED) return undefined;
  let url: string;
  try {
    url = parseBaseUrl(baseUrl).api;
  } catch (error) {
    return {
      name: "model",
      status: "broken",
      detail: errorMessage(error),
      fix: "lmagent doctor --base-url http://127.0.0.1:1234",
    };
  }
  const answer = await ask(`${url}/models`, settings);
  const again = `lmagent doctor --base-url ${quoteForShell(url)}`;
  if (answer.status === 503)
    return {
      name: "model",
      status: "note",
      detail: `the server at ${url} is loading its model`,
      fix: `${again}, in a while`,
    };
  if ("value" in answer || answer.failure !== undefined) return undefined;
  const detail = `something takes connections at ${url} and says nothing that a model server says within ${ANSWER_MS / 1_000} s`;
  return { name: "model", status: "broken", detail, fix: `restart the model server there, then ${again}` };
}

function ask(url: string, { apiKey }: Pick<Settings, "apiKey">): ReturnType<typeof fetchJson> {
  const headers: Record<string, string> =
    apiKey === undefined ? {} : { authorization: `Bearer ${apiKey.trim()}` };
  return fetchJson(createHttpTransport(), url, { headers, timeoutMs: ANSWER_MS });
}

/** For a command that starts llama-server again. */
async function readPlace(
  { server, baseUrl }: Pick<ModelInfo, "server" | "baseUrl">,
  settings: Settings,
): Promise<{ modelPath?: string }> {
  if (server !== "llama-server") return {};
  const answer = await ask(`${baseUrl.replace(/\/v1$/, "")}/props`, settings);
  const path = "value" in answer ? answer.value["model_path"] : undefined;
  return typeof path === "string" && path !== "" ? { modelPath: path } : {};
}

function toBroken(settings: Settings, error: unknown): DoctorCheck {
  const late = error instanceof DOMException && error.name === "TimeoutError";
  const detail = late ? `no answer within ${DESCRIBE_MS / 1_000} s` : errorMessage(error);
  return { name: "model", status: "broken", detail, fix: toRepair(settings, error) };
}

function toRepair({ baseUrl }: Settings, error: unknown): string {
  const where = baseUrl === undefined ? "" : ` --base-url ${quoteForShell(baseUrl)}`;
  const { status, models } = AgentError.is(error, "model_rejected") ? error.data : {};
  if (status === 401 || status === 403)
    return `LLM_API_KEY=KEY lmagent doctor${where}, with a key of this server`;
  const [first]: unknown[] = Array.isArray(models) ? models : [];
  if (typeof first === "string") return `lmagent doctor${where} --model ${quoteForShell(first)}`;
  return `start the model server, then \`lmagent doctor${where}\`; or \`lmagent doctor --base-url embedded\``;
}

/** Model servers at their usual ports on this machine, but the chosen one. */
export async function checkOtherServers({ baseUrl }: Settings): Promise<readonly DoctorCheck[]> {
  const servers = await discoverLocalServers({ transport: createHttpTransport(), timeoutMs: OTHERS_MS });
  return listOtherServers(servers, baseUrl);
}

export function listOtherServers(
  servers: readonly LocalServer[],
  chosen: string | undefined,
): readonly DoctorCheck[] {
  // Without a choice the first one serves.
  const others =
    chosen === undefined ? servers.slice(1) : servers.filter((server) => !isSame(server, chosen));
  return others.map(({ kind, baseUrl, models }) => ({
    name: `also ${kind}`,
    status: "ok",
    detail: `at ${baseUrl} with ${models.slice(0, 5).join(", ") || "no model"}${models.length > 5 ? " and more" : ""}; use it with --base-url ${quoteForShell(baseUrl)}`,
  }));
}

function isSame({ baseUrl }: LocalServer, chosen: string): boolean {
  try {
    const { host, port } = new URL(parseBaseUrl(chosen).api);
    const other = new URL(baseUrl);
    return host === other.host || (port === other.port && /^(?:localhost|\[::1\])/.test(host));
  } catch {
    return false;
  }
}
