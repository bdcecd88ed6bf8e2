/**
 * How bytes reach a server. Injected, so that the client runs on `node:http` where start-up time counts and on `fetch`
 * at the edge.
 */
export interface TransportRequest {
  method: "GET" | "POST";
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
  /** Ends the request and closes its connection at once. */
  signal: AbortSignal;
}

export interface TransportResponse {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Throws `ConnectionFailure` when the connection is lost. Leaving the loop early closes the connection. */
  body: AsyncIterable<Uint8Array>;
}

export interface Transport {
  /**
   * Resolves when the headers are here. Follows no redirects and knows no timeouts but that of connecting. Rejects with
   * `ConnectionFailure`, or with the signal's reason.
   */
  send(request: TransportRequest): Promise<TransportResponse>;
}

/**
 * `refused`: nothing listens there. `unreachable`: no such host, no route, no answer to connecting. `dropped`: the
 * connection was closed or broke. `no_tls`: an `https:` address of a server that speaks plain HTTP. `other`: anything else,
 * such as a certificate that is not trusted.
 */
export type ConnectionFailureKind = "refused" | "unreachable" | "dropped" | "no_tls" | "other";

/** Between a transport and its caller only; what leaves this folder is an `AgentError`. */
export class ConnectionFailure extends Error {
  override readonly name = "ConnectionFailure";
  readonly kind: ConnectionFailureKind;

  constructor(kind: ConnectionFailureKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }

  static is(value: unknown): value is ConnectionFailure {
    return value instanceof Error && value.name === "ConnectionFailure";
  }
}

const KINDS: Readonly<Record<string, ConnectionFailureKind>> = {
  ECONNREFUSED: "refused",
  ENOTFOUND: "unreachable",
  EAI_AGAIN: "unreachable",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  ETIMEDOUT: "unreachable",
  UND_ERR_CONNECT_TIMEOUT: "unreachable",
  ECONNRESET: "dropped",
  EPIPE: "dropped",
  ECONNABORTED: "dropped",
  UND_ERR_SOCKET: "dropped",
  ERR_SSL_WRONG_VERSION_NUMBER: "no_tls",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "no_tls",
};

/** Sorts what Node, undici and other runtimes throw; the code may sit in a cause or in one of several errors. */
export function toConnectionFailure(thrown: unknown): ConnectionFailure {
  if (ConnectionFailure.is(thrown)) return thrown;
  const code = findCode(thrown, 0);
  const message =
    thrown instanceof Error && thrown.message !== "" ? thrown.message : (code ?? String(thrown));
  const isPlain = code === "EPROTO" && /wrong version number|packet length too long/i.test(message);
  return new ConnectionFailure(isPlain ? "no_tls" : (KINDS[code ?? ""] ?? "other"), message, thrown);
}

function findCode(thrown: unknown, depth: number): string | undefined {
  if (typeof thrown !== "object" || thrown === null || depth > 4) return undefined;
  const { code, cause, errors } = thrown as { code?: unknown; cause?: unknown; errors?: unknown };
  if (typeof code === "string" && code in KINDS) return code;
  const inner: unknown[] = Array.isArray(errors) ? errors : [cause];
  for (const one of inner) {
    const found = findCode(one, depth + 1);
    if (found !== undefined) return found;
  }
  return typeof code === "string" ? code : undefined;
}
