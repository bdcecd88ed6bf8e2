import { AgentError } from "../core/errors.ts";

export interface ServerUrl {
  /** Without a slash at the end; the native routes of servers begin here. */
  root: string;
  /** Base of the OpenAI-compatible routes, such as `http://127.0.0.1:1234/v1`. */
  api: string;
}

/**
 * Accepts a server with or without `/v1`, with slashes at the end, or the whole `/v1/chat/completions`.
 * Throws `AgentError` `config_invalid`.
 */
export function parseBaseUrl(text: string): ServerUrl {
  const url = parseHttpUrl(text);
  const path = url.pathname.replace(/\/+$/, "");
  const bare = path.replace(/\/(?:chat\/completions|completions|models)$/, "");
  // An address that already names a version, at any place, is complete: `/v1beta/openai`, `/api/paas/v4`.
  const versioned = /\/v\d[^/]*(?:\/|$)/.test(bare) || path.endsWith("/chat/completions");
  const api = `${url.origin}${bare}${versioned ? "" : "/v1"}`;
  return { root: api.replace(/\/v1$/, ""), api };
}

function parseHttpUrl(text: string): URL {
  const refuse = (why: string, shown: string) =>
    new AgentError(
      "config_invalid",
      `The base URL \`${shown}\` ${why}. Give one like \`http://127.0.0.1:1234/v1\`.`,
      {
        data: { field: "base-url", value: shown },
      },
    );
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw refuse("is not a URL", withoutSecrets(text));
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw refuse("is not http or https", withoutSecrets(text));
  if (url.username !== "" || url.password !== "") {
    throw refuse("holds a name or password, which belong in the API key", `${url.protocol}//…@${url.host}`);
  }
  if (url.search !== "" || url.hash !== "") throw refuse("has a query or fragment", withoutSecrets(text));
  return url;
}

/** A name, a password or a query may be a key: what is left says which address it is. */
function withoutSecrets(text: string): string {
  return text.replace(/[?#][^]*$/, "?…").replace(/^([^]*:\/\/|)[^]*@/, "$1…@");
}
