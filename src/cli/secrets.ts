/** Which texts are secrets that this process knows, so that they can be kept out of what tools say. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import type { Settings } from "./settings.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The API key in force, and the secrets among the variables of the environment and of `LMAGENT_HOME/.env`: by their names
 * (`…_TOKEN`, `…_PASSWORD`), and passwords inside addresses. Values that are plainly none (paths, numbers, ordinary words) are left out.
 */
export function knownSecrets({ apiKey, home }: Pick<Settings, "apiKey" | "home">, env: Variables): string[] {
  const found = [readEnvFile(join(home, ".env")), env].flatMap((variables) =>
    Object.entries(variables).flatMap(([name, value]) => secretsIn(name, value?.trim() ?? "")),
  );
  return [...new Set([...(apiKey === undefined ? [] : [apiKey]), ...found])];
}

/** Settings have read it before; what is wrong with it was said there. */
function readEnvFile(file: string): Variables {
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch {
    return {};
  }
}

const SECRET_END =
  /(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|CREDENTIAL|COOKIE|AUTH|DSN|PAT)S?(?:_(?:ID|BASE|BASE64|B64|JSON|PEM|OLD|NEW|\d+))?$/;
const SECRET_WORD =
  /(?:^|_)(?:API_?KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|ACCESS_KEY|PRIVATE_KEY)(?:_|$)/;
/** Named after a secret, but about where it is or how it is used. */
const NO_SECRET =
  /(?:^|_)(?:FILE|PATH|DIR|SOCK|SOCKET|HOST|PORT|USER|USERNAME|NAME|TYPE|TTL|SECONDS|EXPIRY|LENGTH|SIZE)$|^(?:OLD)?PWD$/;

function secretsIn(name: string, value: string): string[] {
  const inside = secretsInUrl(value);
  if (!isSecretName(name) || inside.length > 0) return inside;
  if (value.startsWith("{")) return secretsInJson(value);
  // A list of keys, or a name with its password.
  const parts = /\s/.test(value) ? [] : [...value.split(","), value.slice(value.indexOf(":") + 1)];
  return [value, ...parts].filter((text) => isSecretValue(text, name));
}

function isSecretName(name: string): boolean {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, "$1_$2")
    .replace(/[-. ]/g, "_")
    .toUpperCase();
  return !NO_SECRET.test(words) && (SECRET_END.test(words) || SECRET_WORD.test(words));
}

const NUMBER = /^[-+]?[\d.,:]{1,15}$/;
const PATH = /^(?:~|\.{1,2})?\/|^[A-Za-z]:[\\/]|^file:/;
/** Base64 may begin with a slash too. */
const RANDOM = /^(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w+/=-]{20,}$/;
const WORD = /^(?:[a-z]+|[A-Z]+|[A-Z][a-z]+)$/;
const LONGEST_WORD = 10;
/** `sort_key=created_at` is no secret; a pass phrase of words is one. */
const NAME = /^[a-z]+(?:[_.-][a-z]+){1,2}$/;
const LONGEST_NAME = 20;

function isSecretValue(text: string, name: string): boolean {
  if (text.length < 6 || NUMBER.test(text)) return false;
  if (PATH.test(text) && !RANDOM.test(text)) return false;
  if (WORD.test(text) && text.length <= LONGEST_WORD) return false;
  return !(NAME.test(text) && text.length <= LONGEST_NAME && !/PASS|PWD|SECRET/i.test(name));
}

/** Passwords before the host, and secrets in the query, as they stand there and decoded. */
function secretsInUrl(value: string): string[] {
  if (!value.includes("://")) return [];
  const found: string[] = [];
  for (const [, user = "", password] of value.matchAll(/:\/\/([^\s/@:?#]*)(?::([^\s@/]+))?@/g)) {
    if (password !== undefined) found.push(password);
    // Such as https://ghp_…@github.com.
    else if (user.length >= 16) found.push(user);
  }
  for (const [, key = "", text = ""] of value.matchAll(/[?&]([\w.-]+)=([^\s&#]+)/g)) {
    if (isSecretName(key) || /^sig(?:nature)?$/i.test(key)) found.push(text);
  }
  return found.flatMap((text) => [text, decode(text)]).filter((text) => text.length >= 6);
}

function secretsInJson(value: string): string[] {
  const found: string[] = [];
  try {
    JSON.parse(value, (key, field: unknown) => {
      if (typeof field === "string" && isSecretName(key) && isSecretValue(field, key)) found.push(field);
      return field;
    });
  } catch {
    return [value];
  }
  return found;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
