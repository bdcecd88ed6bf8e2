/** API keys of the public server: `LMAGENT_HOME/keys.json`, which holds their SHA-256 only. */
import { createHash, randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AgentError, errnoOf, errorMessage } from "../../core/errors.ts";
import { isObject } from "../../core/json-object.ts";
import { writeWhole } from "../../engine/acquire/run-file.ts";

export interface StoredKey {
  /** Short, to name it by. */
  id: string;
  /** What the user calls it; may be empty. */
  name: string;
  /** SHA-256 of the key, in hex. */
  sha256: string;
  createdAt: string;
}

const PREFIX = "sk-lma-";

export function hashKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

export function keyStorePath(home: string): string {
  return join(home, "keys.json");
}

/** Throws `AgentError` `config_invalid` for a file that is no list of keys: a server must not start open by mistake. */
export async function readKeys(home: string): Promise<StoredKey[]> {
  const path = keyStorePath(home);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (errnoOf(cause) === "ENOENT") return [];
    throw broken(path, errorMessage(cause), cause);
  }
  return parseKeys(text, path);
}

/** Throws like `readKeys`. */
export function parseKeys(text: string, path: string): StoredKey[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw broken(path, errorMessage(cause), cause);
  }
  if (Array.isArray(parsed) && parsed.every(isStoredKey)) return parsed;
  throw broken(path, "it holds no list of keys");
}

function isStoredKey(value: unknown): value is StoredKey {
  return (
    isObject(value) &&
    ["id", "name", "sha256", "createdAt"].every((field) => typeof value[field] === "string") &&
    /^[0-9a-f]{64}$/.test(value["sha256"] as string)
  );
}

function broken(path: string, why: string, cause?: unknown): AgentError {
  const message = `\`${path}\` cannot be read: ${why}. Mend or remove it; keys in it are lost then.`;
  return new AgentError("config_invalid", message, { cause, data: { field: path } });
}

/** The key is told once, here; only its hash is kept. Throws like `readKeys`, and `storage_failed`. */
export async function createKey(
  home: string,
  { name, now }: { name: string; now: Date },
): Promise<{ key: string; stored: StoredKey }> {
  const keys = await readKeys(home);
  const key = `${PREFIX}${randomBytes(30).toString("base64url")}`;
  const id = randomBytes(4).toString("hex");
  const stored = { id, name, sha256: hashKey(key), createdAt: now.toISOString() };
  await writeKeys(home, [...keys, stored]);
  return { key, stored };
}

/** By id or name. False: there is no such key. Throws like `createKey`. */
export async function revokeKey(home: string, idOrName: string): Promise<boolean> {
  const keys = await readKeys(home);
  const kept = keys.filter(({ id, name }) => id !== idOrName && name !== idOrName);
  if (kept.length === keys.length) return false;
  await writeKeys(home, kept);
  return true;
}

async function writeKeys(home: string, keys: readonly StoredKey[]): Promise<void> {
  await writeWhole(keyStorePath(home), `${JSON.stringify(keys, null, 2)}\n`);
}
