/** Who may ask this server: the checks that hold for every route. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { Context } from "hono";
import { toApiError } from "./errors.ts";
import type { ApiError } from "./errors.ts";

/** The keys that are accepted now. */
export interface KeyRing {
  accepts(key: string): boolean;
}

export interface AccessRules {
  /** Address that the server listens on; default 127.0.0.1. */
  bind?: string;
  /** More names of this server that clients may use in `Host`, such as `host.docker.internal`. */
  hosts?: readonly string[];
  /** Origins of browser pages that may use it; `true`: any. Default none. */
  cors?: boolean | readonly string[];
}

export function createSingleKey(key: string): KeyRing {
  const known = digest(key);
  return { accepts: (given) => timingSafeEqual(digest(given), known) };
}

/** Of one length, as the comparison wants them. */
function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "::1"]);

export function isLoopback(bind: string): boolean {
  return LOOPBACK.has(bind) || bind.startsWith("127.");
}

/**
 * A web page can make a browser send requests here under a name of its own (DNS rebinding), so only known names are served. An address
 * in numbers cannot be rebound, and is served where others than this machine can reach the server.
 */
export function checkHost(
  host: string | undefined,
  { bind = "127.0.0.1", hosts = [] }: AccessRules,
): ApiError | undefined {
  const name = toHostName(host ?? "");
  const known =
    LOOPBACK.has(name) || name === bind.toLowerCase() || hosts.some((one) => one.toLowerCase() === name);
  if (known || (!isLoopback(bind) && isIP(name) !== 0)) return undefined;
  return toApiError(403, `The host \`${name}\` is not served here; use 127.0.0.1 or localhost.`, {
    code: "host_refused",
  });
}

/** Without port and brackets. */
function toHostName(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d+$/, "")
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

/** A page of another origin is refused whatever it asks: many requests need no leave of the browser to be sent. */
export function checkOrigin(
  origin: string | undefined,
  host: string | undefined,
  { cors = false }: AccessRules,
): ApiError | undefined {
  if (origin === undefined || isSameOrigin(origin, host) || isAllowedOrigin(origin, cors)) return undefined;
  const message = `Pages of \`${origin.slice(0, 200)}\` may not use this server. Allow them with \`--cors\`.`;
  return toApiError(403, message, { code: "origin_refused" });
}

function isSameOrigin(origin: string, host: string | undefined): boolean {
  // A proxy in front may add TLS.
  return host !== undefined && origin.toLowerCase().replace(/^https?:\/\//, "") === host.toLowerCase();
}

function isAllowedOrigin(origin: string, cors: boolean | readonly string[]): boolean {
  if (typeof cors === "boolean") return cors;
  return cors.some((one) => one === "*" || one.replace(/\/$/, "").toLowerCase() === origin.toLowerCase());
}

/** What a browser must read to let the page of an allowed origin see the answer; empty where it may not. */
export function toCorsHeaders(
  origin: string | undefined,
  { cors = false }: AccessRules,
): Record<string, string> {
  if (origin === undefined || !isAllowedOrigin(origin, cors)) return {};
  return { "access-control-allow-origin": origin, vary: "origin" };
}

/** The answer to a preflight (https://fetch.spec.whatwg.org/#cors-preflight-fetch) of an allowed origin. */
export function toPreflightHeaders(requested: string | undefined): Record<string, string> {
  return {
    "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
    "access-control-allow-headers": requested ?? "authorization, content-type, x-api-key",
    "access-control-allow-private-network": "true",
    "access-control-max-age": "600",
  };
}

/** Where a key may stand in the request's headers. */
interface GivenKey {
  authorization: string | undefined;
  apiKey: string | undefined;
}

export function readKey(c: Context): GivenKey {
  return { authorization: c.req.header("authorization"), apiKey: c.req.header("x-api-key") };
}

/** `Authorization: Bearer KEY`, or `X-Api-Key: KEY` as llama.cpp's server and Anthropic's clients send it. */
export function checkKey(headers: GivenKey, keys: KeyRing): ApiError | undefined {
  const given = /^Bearer +(.+)$/i.exec(headers.authorization ?? "")?.[1] ?? headers.apiKey;
  if (given !== undefined && keys.accepts(given.trim())) return undefined;
  const message =
    given === undefined || given === ""
      ? "There is no API key: send `Authorization: Bearer KEY`."
      : "The API key is wrong.";
  return toApiError(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });
}
