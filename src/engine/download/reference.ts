/** What users write to name a model that is somewhere else. */
import { downloadFailed } from "./failure.ts";
import { baseName, isSafeName, isSafePath } from "./file-name.ts";

export type ModelReference =
  | { type: "hub"; repo: string; revision: string; file?: string; quantization?: string }
  | { type: "url"; url: string };

export interface ReferenceOptions {
  quantization?: string | undefined;
  /** Base URL of the hub; its pages are references too. */
  endpoint: string;
}

const LONGEST = 1_000;
const HUB_HOSTS = new Set(["huggingface.co", "www.huggingface.co", "hf.co"]);
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
/** Of owners and repositories, as the hub allows them. */
const HUB_NAME = /^\w[\w.-]{0,95}$/;
const QUANTIZATION = /^[\w][\w.-]{0,31}$/;

/**
 * `owner/repo`, `owner/repo@quant`, `owner/repo:quant`, `owner/repo/file.gguf`, each also behind `hf.co/`, pages of the hub, other https
 * addresses of a `.gguf`. Throws `AgentError` `download_failed`.
 */
export function parseReference(text: string, options: ReferenceOptions): ModelReference {
  const reference = text.trim();
  if (reference === "" || reference.length > LONGEST) throw unusable(reference, "");
  const parsed = /^https?:\/\//i.test(reference)
    ? parseAddress(reference, options)
    : parsePath(reference.replace(/^(?:hf:(?:\/\/)?|(?:www\.)?huggingface\.co\/|hf\.co\/)/i, ""), reference);
  return withQuantization(parsed, options.quantization, reference);
}

function parseAddress(reference: string, { endpoint }: ReferenceOptions): ModelReference {
  const url = toUrl(reference);
  if (url === undefined) throw unusable(reference, "");
  if (url.username !== "" || url.password !== "")
    throw unusable(url.host, "It has a password in it; leave that out. ");
  const isHub = HUB_HOSTS.has(url.hostname) || url.origin === new URL(endpoint).origin;
  if (isHub) return parseHubPage(url, reference);
  if (url.protocol !== "https:" && !LOOPBACK.has(url.hostname))
    throw unusable(reference, "Only https is fetched. ");
  const name = decode(baseName(url.pathname));
  if (name === undefined || !/\.gguf$/i.test(name) || !isSafeName(name))
    throw unusable(reference, "It does not end with the name of a .gguf file. ");
  url.hash = "";
  return { type: "url", url: url.href };
}

/** `/owner/repo`, or `/owner/repo/blob/revision/path`. */
function parseHubPage(url: URL, reference: string): ModelReference {
  const path = decode(url.pathname)?.replace(/^\/+|\/+$/g, "") ?? "";
  const [owner = "", repo = "", view, revision = "main", ...steps] = path.split("/");
  if (view === undefined) return parsePath(path, reference);
  checkRepo(`${owner}/${repo}`, reference);
  if (!["blob", "resolve", "raw", "tree"].includes(view) || !isSafePath(revision))
    throw unusable(reference, "");
  if (view === "tree") return { type: "hub", repo: `${owner}/${repo}`, revision };
  return { type: "hub", repo: `${owner}/${repo}`, revision, file: checkFile(steps.join("/"), reference) };
}

function parsePath(path: string, reference: string): ModelReference {
  const [owner = "", second = "", ...steps] = path.split("/");
  if (steps.length > 0) {
    checkRepo(`${owner}/${second}`, reference);
    const file = checkFile(steps.join("/"), reference);
    return { type: "hub", repo: `${owner}/${second}`, revision: "main", file };
  }
  const [, repo = second, quantization] = /^([^@:]*)[@:](.*)$/.exec(second) ?? [];
  checkRepo(`${owner}/${repo}`, reference);
  const hub = { type: "hub", repo: `${owner}/${repo}`, revision: "main" } as const;
  return quantization === undefined || quantization === "latest" ? hub : { ...hub, quantization };
}

function checkRepo(repo: string, reference: string): void {
  const [owner = "", name = ""] = repo.split("/");
  if ([owner, name].every((one) => HUB_NAME.test(one) && isSafeName(one) && !one.includes(".."))) return;
  throw unusable(reference, "");
}

function checkFile(file: string, reference: string): string {
  if (/\.gguf$/i.test(file) && isSafePath(file)) return file;
  throw unusable(reference, "Only .gguf files are models here. ");
}

function withQuantization(
  parsed: ModelReference,
  wanted: string | undefined,
  reference: string,
): ModelReference {
  if (parsed.type === "url" || parsed.file !== undefined) {
    if (wanted === undefined) return parsed;
    throw unusable(reference, `It names one file already, so \`${wanted}\` chooses nothing. `);
  }
  const quantization = parsed.quantization ?? wanted;
  if (quantization === undefined) return parsed;
  if (!QUANTIZATION.test(quantization))
    throw unusable(reference, `\`${quantization.slice(0, 40)}\` is no quantization. `);
  if (wanted !== undefined && wanted.toLowerCase() !== quantization.toLowerCase())
    throw unusable(reference, `It names \`${quantization}\`, and \`${wanted}\` was asked for. `);
  return { ...parsed, quantization };
}

function toUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function unusable(reference: string, why: string): Error {
  const shown = reference.length > 200 ? `${reference.slice(0, 200)}…` : reference;
  const message = `\`${shown}\` is no model that can be fetched. ${why}Name it as \`owner/repo\`, \`owner/repo@Q4_K_M\`, \`owner/repo/file.gguf\`, or by the https address of a .gguf file.`;
  return downloadFailed(message, { reference: shown });
}
