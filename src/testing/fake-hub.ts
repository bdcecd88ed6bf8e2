/**
 * A model hub on this machine, as huggingface.co is: lists of files, files that lie on a second host, gated and renamed repositories; and
 * with the faults of a bad day.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

export interface FakeHubRequest {
  host: "hub" | "cdn";
  path: string;
  range: string | undefined;
  authorization: string | undefined;
  status: number;
  /** Of the body. */
  sentBytes: number;
}

/** Each can be changed at any time; nothing set, everything works. */
export interface FakeHubFaults {
  /** Connections of the second host end after so many bytes of a body. */
  cutAfterBytes?: number;
  /** Bodies of the second host come this slowly. */
  bytesPerSecond?: number;
  /** Bodies of the second host stop here, and the connection stays. */
  silentAfterBytes?: number;
  /** The second host sends the whole file whatever is asked for. */
  noRanges?: boolean;
  /** Added to the size that the second host says a file has. */
  sizeLie?: number;
  /** Answers that come before any others, each once. */
  answers?: { host: "hub" | "cdn"; status: number; headers?: Record<string, string> }[];
  /** In place of the address of the second host. */
  redirectTo?: string;
}

export interface FakeHubOptions {
  /** By `owner/repo`, then by path. */
  repos: Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;
  /** Only who sends this gets files of these repositories. */
  tokens?: Readonly<Record<string, string>>;
  /** Old names, and what they are called now. */
  renamed?: Readonly<Record<string, string>>;
  /** Files in one page of a list; default 1000. */
  pageSize?: number;
}

export interface FakeHub extends AsyncDisposable {
  readonly url: string;
  readonly cdnUrl: string;
  readonly requests: readonly FakeHubRequest[];
  readonly faults: FakeHubFaults;
  setFile(repo: string, path: string, content: Uint8Array): void;
  /** What the list says of a file, in place of its own hash. */
  setListedHash(repo: string, path: string, sha256: string): void;
  /** Bytes of files that were sent so far. */
  sentBytes(): number;
}

interface StoredFile {
  content: Buffer;
  sha256: string;
  listedHash?: string;
}

const PIECE_BYTES = 32_768;

export async function startFakeHub(options: FakeHubOptions): Promise<FakeHub> {
  const repos = new Map(
    Object.entries(options.repos).map(([repo, files]) => [
      repo,
      new Map(Object.entries(files).map(([path, content]) => [path, toStored(content)])),
    ]),
  );
  const requests: FakeHubRequest[] = [];
  const faults: FakeHubFaults = {};
  const serve = (host: "hub" | "cdn", handle: (exchange: Exchange) => Promise<void>): Promise<Server> =>
    listen(
      createServer((incoming, outgoing) => {
        const exchange = toExchange(host, incoming, outgoing);
        requests.push(exchange.request);
        const planned = takeAnswer(faults, host);
        const answered = planned === undefined ? handle(exchange) : Promise.resolve(end(exchange, planned));
        answered.catch(() => outgoing.destroy());
      }),
    );
  const cdn = await serve("cdn", (exchange) => sendFile(exchange, findFile(repos, exchange), faults));
  const cdnUrl = addressOf(cdn);
  const hub = await serve("hub", async (exchange) => answerHub(exchange, { repos, options, faults, cdnUrl }));
  return {
    url: addressOf(hub),
    cdnUrl,
    requests,
    faults,
    setFile: (repo, path, content) => void repos.get(repo)?.set(path, toStored(content)),
    setListedHash: (repo, path, listedHash) => {
      const file = repos.get(repo)?.get(path);
      if (file !== undefined) file.listedHash = listedHash;
    },
    sentBytes: () => requests.reduce((sum, { host, sentBytes }) => sum + (host === "cdn" ? sentBytes : 0), 0),
    [Symbol.asyncDispose]: async () => {
      for (const server of [hub, cdn]) {
        const closed = once(server, "close");
        server.close();
        server.closeAllConnections();
        await closed;
      }
    },
  };
}

type Repos = Map<string, Map<string, StoredFile>>;

interface Exchange {
  url: URL;
  request: FakeHubRequest;
  outgoing: ServerResponse;
}

function toExchange(host: "hub" | "cdn", incoming: IncomingMessage, outgoing: ServerResponse): Exchange {
  const url = new URL(incoming.url ?? "/", "http://hub");
  const { range, authorization } = incoming.headers;
  return {
    url,
    outgoing,
    request: { host, path: decodeURIComponent(url.pathname), range, authorization, status: 0, sentBytes: 0 },
  };
}

interface HubState {
  repos: Repos;
  options: FakeHubOptions;
  faults: FakeHubFaults;
  cdnUrl: string;
}

function answerHub(exchange: Exchange, { repos, options, faults, cdnUrl }: HubState): void {
  const { url, request } = exchange;
  const [, list, listed, resolved] =
    /^\/(?:(api\/models)\/([^/]+\/[^/]+)\/tree\/.+|([^/]+\/[^/]+)\/resolve\/.+)$/.exec(request.path) ?? [];
  const repo = listed ?? resolved ?? "";
  const now = options.renamed?.[repo];
  if (now !== undefined) {
    const location = url.pathname.replace(repo, now) + url.search;
    end(exchange, { status: 307, headers: { location } });
    return;
  }
  const token = options.tokens?.[repo];
  const file = findFile(repos, exchange);
  if (!repos.has(repo)) end(exchange, { status: 404, headers: { "x-error-code": "RepoNotFound" } });
  else if (list !== undefined) sendList(exchange, repos.get(repo) ?? new Map(), options.pageSize ?? 1000);
  else if (token !== undefined && request.authorization !== `Bearer ${token}`)
    end(exchange, {
      status: request.authorization === undefined ? 401 : 403,
      headers: { "x-error-code": "GatedRepo", "x-error-message": `Access to model ${repo} is restricted.` },
    });
  else if (file === undefined) end(exchange, { status: 404, headers: { "x-error-code": "EntryNotFound" } });
  else {
    const location = faults.redirectTo ?? `${cdnUrl}${url.pathname}?Signature=${request.range ?? "none"}`;
    const linked = { "x-linked-etag": `"${file.sha256}"`, "x-linked-size": String(file.content.length) };
    end(exchange, { status: 302, headers: { location, ...linked } });
  }
}

/** `owner/repo/resolve/revision/path`. */
function findFile(repos: Repos, { request }: Exchange): StoredFile | undefined {
  const [, repo = "", path = ""] = /^\/([^/]+\/[^/]+)\/resolve\/[^/]+\/(.+)$/.exec(request.path) ?? [];
  return repos.get(repo)?.get(path);
}

function sendList(exchange: Exchange, files: ReadonlyMap<string, StoredFile>, pageSize: number): void {
  const from = Number(exchange.url.searchParams.get("cursor") ?? 0);
  const all = [...files].map(([path, { content, sha256, listedHash = sha256 }]) => ({
    type: "file",
    path,
    size: content.length,
    oid: "0".repeat(40),
    lfs: { oid: listedHash, size: content.length, pointerSize: 134 },
  }));
  const next = `<${exchange.url.pathname}?recursive=true&cursor=${from + pageSize}>; rel="next"`;
  const headers = from + pageSize < all.length ? { link: next } : {};
  const body = JSON.stringify([
    { type: "directory", path: "x", size: 0, oid: "0" },
    ...all.slice(from, from + pageSize),
  ]);
  end(exchange, { status: 200, headers: { "content-type": "application/json", ...headers } }, body);
}

async function sendFile(
  exchange: Exchange,
  file: StoredFile | undefined,
  faults: FakeHubFaults,
): Promise<void> {
  if (file === undefined) {
    end(exchange, { status: 404 });
    return;
  }
  const { request, outgoing } = exchange;
  const { content, sha256 } = file;
  const total = content.length + (faults.sizeLie ?? 0);
  const [, start, last] = /^bytes=(\d+)-(\d*)$/.exec(request.range ?? "") ?? [];
  const asked = faults.noRanges === true ? undefined : start;
  const from = Number(asked ?? 0);
  if (from >= total) {
    end(exchange, { status: 416 });
    return;
  }
  const to = asked !== undefined && last ? Math.min(Number(last) + 1, total) : total;
  request.status = asked === undefined ? 200 : 206;
  outgoing.writeHead(request.status, {
    "content-length": to - from,
    etag: `"${sha256.slice(0, 32)}"`,
    ...(asked === undefined ? {} : { "content-range": `bytes ${from}-${to - 1}/${total}` }),
  });
  outgoing.flushHeaders();
  await sendBody(exchange, content.subarray(from, to), faults);
}

async function sendBody({ request, outgoing }: Exchange, body: Buffer, faults: FakeHubFaults): Promise<void> {
  for (let at = 0; at < body.length && !outgoing.destroyed;) {
    const { cutAfterBytes = Infinity, silentAfterBytes = Infinity, bytesPerSecond } = faults;
    const end = Math.min(body.length, at + PIECE_BYTES, cutAfterBytes);
    if (at >= cutAfterBytes) {
      outgoing.destroy();
      return;
    }
    if (at >= silentAfterBytes) return;
    if (bytesPerSecond !== undefined) await delay((1000 * (end - at)) / bytesPerSecond);
    if (!outgoing.write(body.subarray(at, end))) await whenWritable(outgoing);
    request.sentBytes += end - at;
    at = end;
  }
  outgoing.end();
}

/** Or closed, which whoever writes looks at. */
async function whenWritable(outgoing: ServerResponse): Promise<void> {
  const over = new AbortController();
  const events = ["drain", "close"].map((name) => once(outgoing, name, { signal: over.signal }));
  await Promise.race(events).finally(() => over.abort());
  await Promise.allSettled(events);
}

function end(
  { request, outgoing }: Exchange,
  { status, headers = {} }: { status: number; headers?: Record<string, string> },
  body = "",
): void {
  request.status = status;
  outgoing.writeHead(status, headers).end(body);
}

function takeAnswer(
  faults: FakeHubFaults,
  host: "hub" | "cdn",
): { status: number; headers?: Record<string, string> } | undefined {
  const at = faults.answers?.findIndex((answer) => answer.host === host) ?? -1;
  return at < 0 ? undefined : faults.answers?.splice(at, 1)[0];
}

function toStored(content: Uint8Array): StoredFile {
  return { content: Buffer.from(content), sha256: createHash("sha256").update(content).digest("hex") };
}

async function listen(server: Server): Promise<Server> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
