/** Which hub is asked, and as whom: by the variables of Hugging Face's own tools (https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables). */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentError } from "../../core/errors.ts";
import type { HubAccess } from "./http.ts";

export interface HubEnvironment {
  env: Readonly<Record<string, string | undefined>>;
  userHome: string;
  /** Package version. */
  version: string;
}

const DEFAULT_ENDPOINT = "https://huggingface.co";
const SILENCE_MS = 30_000;
/** No newline, no blank: it becomes a header. */
const TOKEN = /^[\u0021-\u007e]{1,1000}$/;

/** Throws `AgentError` `config_invalid` for an `HF_ENDPOINT` that is no address of the web, and a token that can be none. */
export async function readHubAccess({ env, userHome, version }: HubEnvironment): Promise<HubAccess> {
  return {
    endpoint: toEndpoint(env["HF_ENDPOINT"] || DEFAULT_ENDPOINT),
    token: await readToken(env, userHome),
    userAgent: `lmagent/${version}`,
    silenceMs: SILENCE_MS,
  };
}

function toEndpoint(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url !== undefined && ["http:", "https:"].includes(url.protocol) && url.username === "")
    return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
  const message = `\`HF_ENDPOINT\` is \`${value}\`; it has to be the address of a model hub, such as ${DEFAULT_ENDPOINT}.`;
  throw new AgentError("config_invalid", message, { data: { field: "HF_ENDPOINT", value } });
}

async function readToken(env: HubEnvironment["env"], userHome: string): Promise<string | undefined> {
  const given = (env["HF_TOKEN"] ?? env["HUGGING_FACE_HUB_TOKEN"] ?? "").trim();
  const folder = env["HF_HOME"] || join(env["XDG_CACHE_HOME"] || join(userHome, ".cache"), "huggingface");
  const path = env["HF_TOKEN_PATH"] || join(folder, "token");
  const token = given === "" ? (await readFile(path, "utf8").catch(() => "")).trim() : given;
  if (token === "") return undefined;
  if (TOKEN.test(token)) return token;
  const field = given === "" ? path : "HF_TOKEN";
  // The value itself is a secret.
  throw new AgentError("config_invalid", `\`${field}\` holds no token: it has blanks or other signs in it.`, {
    data: { field },
  });
}
