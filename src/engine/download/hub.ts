/** The API of the Hugging Face hub (https://huggingface.co/docs/hub/api), as far as a download needs it. */
import { downloadFailed, TransferError } from "./failure.ts";
import type { HubFile } from "./choose-files.ts";
import { openUrl } from "./http.ts";
import type { Answer, HubAccess } from "./http.ts";

/** A list of files is long where every step of a training is kept. */
const PAGE_BYTES = 16_000_000;
const PAGES = 50;

export interface HubRepo {
  /** As it is called now; the hub redirects from older names. */
  repo: string;
  files: readonly HubFile[];
}

export interface RepoRequest {
  repo: string;
  revision: string;
  reference: string;
  signal: AbortSignal;
}

/** Throws like `openUrl`. */
export async function listRepo(access: HubAccess, request: RepoRequest): Promise<HubRepo> {
  const { repo, revision, reference, signal } = request;
  const files: HubFile[] = [];
  let current = repo;
  let next: string | undefined =
    `${access.endpoint}/api/models/${encodePath(repo)}/tree/${encodeURIComponent(revision)}?recursive=true`;
  for (let page = 0; next !== undefined && page < PAGES; page += 1) {
    const answer: Answer = await openUrl(next, access, {
      signal,
      reference,
      headers: { accept: "application/json" },
    });
    current = repoOfUrl(answer.url) ?? current;
    files.push(...toFiles(await readJson(answer, reference), reference));
    next = toNextPage(answer, access);
  }
  return { repo: current, files };
}

/** Where a file of a repository is fetched; it redirects to where it lies. */
export function fileUrl(
  { endpoint }: HubAccess,
  { repo, revision }: { repo: string; revision: string },
  path: string,
): string {
  return `${endpoint}/${encodePath(repo)}/resolve/${encodeURIComponent(revision)}/${encodePath(path)}`;
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function repoOfUrl(url: string): string | undefined {
  return /\/api\/models\/(\w[\w.-]{0,95}\/\w[\w.-]{0,95})\/tree\//.exec(url)?.[1];
}

async function readJson(answer: Answer, reference: string): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body()) {
    size += chunk.length;
    if (size > PAGE_BYTES)
      throw downloadFailed(`The list of files of \`${reference}\` is too long to be one.`, { reference });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch (cause) {
    const message = `\`${new URL(answer.url).host}\` does not answer as a model hub does: its list of files is no JSON.`;
    throw new TransferError(message, { cause });
  }
}

function toFiles(list: unknown, reference: string): HubFile[] {
  if (!Array.isArray(list))
    throw downloadFailed(`The list of files of \`${reference}\` is none. Is \`HF_ENDPOINT\` a model hub?`, {
      reference,
    });
  return list.flatMap((item: unknown) => {
    const { type, path, size, lfs } = (item ?? {}) as Record<string, unknown>;
    if (type !== "file" || typeof path !== "string" || !isSize(size)) return [];
    const { oid, size: largeSize } = (lfs ?? {}) as Record<string, unknown>;
    const sha256 = typeof oid === "string" && /^[0-9a-f]{64}$/i.test(oid) ? oid.toLowerCase() : undefined;
    const sizeBytes = isSize(largeSize) ? largeSize : size;
    return [{ path, sizeBytes, ...(sha256 === undefined ? {} : { sha256 }) }];
  });
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** `Link: <…>; rel="next"`, of the same hub only. */
function toNextPage({ headers, url }: Answer, { endpoint }: HubAccess): string | undefined {
  const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get("link") ?? "")?.[1];
  if (link === undefined || !URL.canParse(link, url)) return undefined;
  const next = new URL(link, url);
  return next.origin === new URL(endpoint).origin ? next.href : undefined;
}
