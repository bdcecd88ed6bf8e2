import { AgentError } from "../core/errors.ts";
import type { LocalServer } from "./local-servers.ts";
import type { ConnectionFailure, Transport } from "./transport.ts";

const PROBE_MS = 400;

const WORDS: Readonly<Record<ConnectionFailure["kind"], string>> = {
  refused: "the connection was refused",
  unreachable: "the host cannot be reached",
  dropped: "the connection was closed",
  no_tls: "the server does not speak TLS",
  other: "the connection failed",
};
/** What the runtime says about these adds nothing. */
const PLAIN: readonly ConnectionFailure["kind"][] = ["refused", "no_tls"];

/** The error for a server that cannot be reached, with the servers on this machine that can. */
export async function toUnavailable(
  failure: ConnectionFailure,
  { url, transport, signal }: { url: string; transport: Transport; signal: AbortSignal | undefined },
): Promise<AgentError> {
  const { discoverLocalServers } = await import("./local-servers.ts");
  const servers = await discoverLocalServers({ transport, signal, timeoutMs: PROBE_MS });
  const detail = PLAIN.includes(failure.kind) ? "" : ` (${failure.message})`;
  const advice = failure.kind === "no_tls" ? `; try \`${url.replace(/^https:/, "http:")}\`` : "";
  const lead = `No model server answers at \`${url}\`: ${WORDS[failure.kind]}${detail}${advice}.`;
  return new AgentError("model_unavailable", `${lead} ${toAdvice(servers)}`, {
    cause: failure,
    data: { url, servers: servers.map(({ kind, baseUrl }) => ({ kind, baseUrl })) },
  });
}

const NAMES: Readonly<Record<LocalServer["kind"], string>> = {
  lmagent: "lmagent",
  lmstudio: "LM Studio",
  ollama: "Ollama",
  "llama-server": "llama-server",
  vllm: "vLLM",
  "openai-compatible": "A model server",
};

function toAdvice(servers: readonly LocalServer[]): string {
  if (servers.length === 0) return "Start it, or give another address with `--base-url`.";
  const found = servers.map(({ kind, baseUrl }) => `${NAMES[kind]} at \`${baseUrl}\``);
  return `Running on this machine: ${found.join(", ")}. Choose one with \`--base-url\`.`;
}
