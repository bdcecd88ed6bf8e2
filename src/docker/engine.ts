/** The connection to a Docker engine: one socket, loaded when it is first needed, and never an answer waited for without an end. */
import { Agent } from "node:http";
import type Docker from "dockerode";
import { AgentError, errnoOf, errorMessage } from "../core/errors.ts";

/** How long the engine may take to answer what it can answer at once. */
const ANSWER_MS = 5_000;
/** How long it may take to make, start or remove a container, on a busy machine. */
export const WORK_MS = 20_000;

export interface EngineCall {
  /** What is asked for, in words that follow "to": `start the container`. */
  to: string;
  deadlineMs?: number;
}

export interface DockerEngine {
  readonly socketPath: string;
  readonly docker: Docker;
  /** The caller's error. `what` follows "The Docker engine at `…`". */
  fail(what: string, data?: Readonly<Record<string, unknown>>): AgentError;
  /**
   * One request. Throws the caller's `AgentError` when the engine does not answer in time, answers something else, or refuses; then
   * with `data.status`, the HTTP status.
   */
  ask<Answer>(call: EngineCall, request: () => Promise<Answer>): Promise<Answer>;
}

/** Makes the error of whoever uses the engine, of a whole sentence about it; what is given as `data` has to be in it. */
export type ToDockerError = (message: string, data: Readonly<Record<string, unknown>>) => AgentError;

export async function connectDocker(socketPath: string, toError: ToDockerError): Promise<DockerEngine> {
  const fail = (what: string, data: Readonly<Record<string, unknown>> = {}): AgentError =>
    toError(`The Docker engine at \`${socketPath}\` ${what}.`, data);
  // A connection for each request: they cost little, and one that is kept may have been closed at the other end.
  const agent = new Agent({ keepAlive: false });
  const docker = await loadDocker({ socketPath, agent });
  return {
    socketPath,
    docker,
    fail,
    async ask({ to, deadlineMs = ANSWER_MS }, request) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => {
          reject(fail(`did not answer within ${deadlineMs / 1_000} s when asked to ${to}`));
          // An engine that hangs answers nothing else either.
          agent.destroy();
        }, deadlineMs);
      });
      try {
        return await Promise.race([request(), late]);
      } catch (thrown) {
        throw AgentError.is(thrown) ? thrown : describeFailure(fail, to, thrown);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Every way in which dockerode would take an address from the environment is closed by giving it one. */
async function loadDocker(where: { socketPath: string; agent: Agent }): Promise<Docker> {
  const { default: Dockerode } = await import("dockerode");
  const nothing = { host: undefined, port: undefined, username: undefined, ca: undefined, cert: undefined };
  try {
    return new Dockerode({ ...nothing, key: undefined, timeout: undefined, protocol: "http", ...where });
  } catch (cause) {
    throw new AgentError(
      "config_invalid",
      `The environment has a \`DOCKER_HOST\` or \`DOCKER_CERT_PATH\` that cannot be used: ${errorMessage(cause)}. Unset it or set it right.`,
      { cause, data: { field: "DOCKER_HOST" } },
    );
  }
}

function describeFailure(fail: DockerEngine["fail"], to: string, thrown: unknown): AgentError {
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === "number") {
    return fail(`refused to ${to}: ${toReason(thrown)}`, { status });
  }
  return fail(`${toTrouble(thrown)} when asked to ${to}`, { errno: errnoOf(thrown) });
}

function toTrouble(thrown: unknown): string {
  switch (errnoOf(thrown)) {
    case "ENOENT":
      return "is not there: there is no such socket";
    case "EACCES":
    case "EPERM":
      return "is out of reach: this user may not use its socket";
    case "ECONNREFUSED":
      return "is not running";
    case undefined:
    default:
      return `did not answer as one (${errorMessage(thrown).slice(0, 200)})`;
  }
}

/** The engine's own words, without what dockerode puts around them. */
function toReason(thrown: unknown): string {
  const said = (thrown as { json?: { message?: unknown } | null }).json?.message;
  const text = typeof said === "string" ? said : errorMessage(thrown);
  return text.trim().replace(/\.$/, "").slice(0, 400);
}

/** The HTTP status of a refusal; `undefined` for every other trouble. */
export function statusOf(thrown: unknown): number | undefined {
  const status = AgentError.is(thrown) ? thrown.data["status"] : undefined;
  return typeof status === "number" ? status : undefined;
}
