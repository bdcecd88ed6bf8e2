import { timingSafeEqual } from "node:crypto";
import { toApiError } from "./errors.ts";
import type { ApiError } from "./errors.ts";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** A web page can make a browser send requests here under a name of its own (DNS rebinding), so only loopback names are served. */
export function checkHost(host: string | undefined): ApiError | undefined {
  const name = (host ?? "").replace(/:\d+$/, "").toLowerCase();
  return LOOPBACK.has(name)
    ? undefined
    : toApiError(403, `The host \`${name}\` is not served here; use 127.0.0.1 or localhost.`, {
        code: "host_refused",
      });
}

/** `Authorization: Bearer KEY`, or `X-Api-Key: KEY` as llama.cpp's server accepts too. */
export function checkKey(
  headers: { authorization: string | undefined; apiKey: string | undefined },
  key: string,
): ApiError | undefined {
  const given = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1] ?? headers.apiKey;
  if (given !== undefined && isSame(given.trim(), key)) return undefined;
  const message =
    given === undefined ? "There is no API key: send `Authorization: Bearer KEY`." : "The API key is wrong.";
  return toApiError(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });
}

function isSame(given: string, key: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(key)];
  return a.length === b.length && timingSafeEqual(a, b);
}
