/**
 * Requests to a model hub: our token goes to the hub alone, whatever it redirects to, and every answer that is none of what was asked for
 * becomes an error that says what to do.
 */
import { errorMessage } from "../../core/errors.ts";
import { downloadFailed, TransferError, UpstreamChanged } from "./failure.ts";

export interface HubAccess {
  /** Base URL: `https://huggingface.co`, or a mirror. */
  endpoint: string;
  token?: string | undefined;
  userAgent: string;
  /** A connection that says nothing for so long is cut and begun anew. */
  silenceMs: number;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** After all redirects. */
  url: string;
  /** What the hub says about the file before it redirects to where it lies. */
  linkedEtag: string | undefined;
  /** Throws `TransferError` when the connection is cut or silent. */
  body(): AsyncGenerator<Uint8Array, void, void>;
  /** Lets go of the connection; what was not read is thrown away. */
  close(): void;
}

const REDIRECTS = 10;

export interface OpenOptions {
  signal: AbortSignal;
  headers?: Readonly<Record<string, string>>;
  /** `owner/repo`, a file in it, or an address; for errors. */
  reference: string;
}

/** Throws `TransferError` for what may pass, and `AgentError` `download_failed` for what will not. */
export async function openUrl(
  address: string,
  access: HubAccess,
  { signal, headers = {}, reference }: OpenOptions,
): Promise<Answer> {
  const watch = createSilenceWatch(access.silenceMs, signal);
  try {
    let url = new URL(address);
    let linkedEtag: string | undefined;
    for (let hop = 0; hop <= REDIRECTS; hop += 1) {
      const response = await send(url, access, { headers, watch });
      linkedEtag ??= toEtag(response.headers.get("x-linked-etag"));
      const location = response.headers.get("location");
      if (response.status >= 400) throw await toFailure(response, url, { access, reference });
      if (response.status < 300 || location === null) return toAnswer(response, url, { linkedEtag, watch });
      await response.body?.cancel();
      url = toNext(url, location, reference);
    }
    throw downloadFailed(`\`${url.origin}\` sends from one address to the next without end.`, { reference });
  } catch (thrown) {
    watch.end();
    signal.throwIfAborted();
    throw thrown;
  }
}

async function send(
  url: URL,
  { endpoint, token, userAgent }: HubAccess,
  { headers, watch }: { headers: Readonly<Record<string, string>>; watch: SilenceWatch },
): Promise<Response> {
  const isHub = url.origin === new URL(endpoint).origin;
  try {
    return await fetch(url, {
      redirect: "manual",
      signal: watch.signal,
      headers: {
        ...headers,
        // Positions are those of the file, and not of something packed.
        "accept-encoding": "identity",
        "user-agent": userAgent,
        ...(isHub && token !== undefined ? { authorization: `Bearer ${token}` } : {}),
      },
    });
  } catch (cause) {
    throw new TransferError(`\`${url.host}\` cannot be reached: ${toReason(cause)}.`, { cause });
  }
}

function toNext(from: URL, location: string, reference: string): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  const isSafe = next?.protocol === "https:" || (next?.protocol === "http:" && from.protocol === "http:");
  if (next !== undefined && isSafe) return next;
  throw downloadFailed(`\`${from.host}\` redirects to \`${location.slice(0, 200)}\`, which is not fetched.`, {
    reference,
  });
}

function toAnswer(
  response: Response,
  url: URL,
  { linkedEtag, watch }: { linkedEtag: string | undefined; watch: SilenceWatch },
): Answer {
  return {
    status: response.status,
    headers: response.headers,
    url: url.href,
    linkedEtag,
    close: () => watch.end(),
    body: async function* body() {
      try {
        if (response.body === null) return;
        for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
          watch.refresh();
          yield chunk;
        }
      } catch (cause) {
        throw new TransferError(`The connection to \`${url.host}\` was cut: ${toReason(cause)}.`, { cause });
      } finally {
        watch.end();
      }
    },
  };
}

interface SilenceWatch {
  signal: AbortSignal;
  refresh(): void;
  /** Ends the request too, where it goes on. */
  end(): void;
}

function createSilenceWatch(silenceMs: number, signal: AbortSignal): SilenceWatch {
  const controller = new AbortController();
  const onAbort = (): void => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(
    () => controller.abort(new Error(`it said nothing for ${silenceMs / 1000} s`)),
    silenceMs,
  );
  return {
    signal: controller.signal,
    refresh: () => void timer.refresh(),
    end: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      controller.abort(new Error("it was not needed any more"));
    },
  };
}

/** The quotes of HTTP, and the mark of weak ones, are no part of it. */
export function toEtag(header: string | null): string | undefined {
  return header === null ? undefined : header.replace(/^W\//, "").replace(/^"|"$/g, "");
}

async function toFailure(
  response: Response,
  url: URL,
  { access, reference }: { access: HubAccess; reference: string },
): Promise<Error> {
  const { status, headers } = response;
  const said = (headers.get("x-error-message") ?? "").slice(0, 300);
  await response.body?.cancel();
  const fail = (message: string): Error =>
    downloadFailed(message, { reference, url: withoutQuery(url), status });
  if (status === 401 || status === 403) return fail(toAccessMessage(url, access, { reference, said }));
  if (status === 404 || status === 410) {
    const hint = access.token === undefined ? " A private one needs a token: set `HF_TOKEN`." : "";
    return fail(`\`${reference}\` is not there (${withoutQuery(url)}). Look at how it is written.${hint}`);
  }
  if (status === 416) return new UpstreamChanged("the file is shorter than it was");
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const why = status === 429 ? "asks for fewer requests" : `answers with status ${status}`;
    const retryAfterMs = toRetryAfterMs(headers.get("retry-after"));
    return new TransferError(`\`${url.host}\` ${why}.`, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
  return fail(`\`${url.host}\` refuses \`${reference}\` with status ${status}. ${said}`.trim());
}

function toAccessMessage(
  url: URL,
  { endpoint, token }: HubAccess,
  { reference, said }: { reference: string; said: string },
): string {
  if (url.origin !== new URL(endpoint).origin)
    return `\`${url.host}\` does not give \`${reference}\` to everybody. Fetch the file yourself, and use it with \`lmagent models import FILE\`.`;
  const page = `${endpoint}/${reference.split("/").slice(0, 2).join("/")}`;
  const words = said === "" ? "" : ` It says: ${said}`;
  return token === undefined
    ? `\`${reference}\` is not given to everybody, or there is none.${words} If it is gated, accept its terms at ${page}, make a token at ${endpoint}/settings/tokens, and set \`HF_TOKEN\`.`
    : `The token that was sent may not read \`${reference}\`.${words} If it is gated, accept its terms at ${page} with the account of the token; a fine-grained token needs the right to read gated repositories.`;
}

/** Signed addresses carry keys behind the question mark. */
function withoutQuery(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** Seconds, or a date (RFC 9110, 10.2.3). */
function toRetryAfterMs(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** `fetch` says "fetch failed" and hides why. */
function toReason(thrown: unknown): string {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  return errorMessage(inner ?? thrown) || "no reason given";
}
