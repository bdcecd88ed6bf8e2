/** `lmagent server key …`: keys that clients of the server must send. */
import { mkdir } from "node:fs/promises";
import { createKey, readKeys, revokeKey } from "../../server/daemon/key-store.ts";
import { formatTable } from "../../tui/table.ts";
import { toTerminalJson } from "../../tui/terminal-text.ts";
import { readSettings } from "../settings.ts";

/** The key goes to standard output, and nowhere else: it is not kept. */
export async function createServerKey({ name = "" }: { name?: string }): Promise<number> {
  const { home } = await readSettings({}, process.env, process.cwd());
  await mkdir(home, { recursive: true, mode: 0o700 });
  const { key, stored } = await createKey(home, { name, now: new Date() });
  process.stdout.write(`${key}\n`);
  process.stderr.write(`Key ${stored.id} was made. It is shown only now; only its hash is kept.\n`);
  return 0;
}

export async function listServerKeys({ json }: { json?: boolean }): Promise<number> {
  const { home } = await readSettings({}, process.env, process.cwd());
  const keys = (await readKeys(home)).map(({ id, name, createdAt }) => ({ id, name, createdAt }));
  if (json === true) process.stdout.write(`${toTerminalJson(keys)}\n`);
  else if (keys.length === 0) process.stdout.write("There are no keys.\n");
  else {
    const rows = keys.map(({ id, name, createdAt }) => [id, name, createdAt.slice(0, 16).replace("T", " ")]);
    const columns = [{ title: "ID" }, { title: "NAME" }, { title: "MADE" }];
    process.stdout.write(`${formatTable(columns, rows).join("\n")}\n`);
  }
  return 0;
}

/** Exit code 1 when there is no such key. */
export async function revokeServerKey(idOrName: string): Promise<number> {
  const { home } = await readSettings({}, process.env, process.cwd());
  const revoked = await revokeKey(home, idOrName);
  process.stderr.write(revoked ? "The key was revoked.\n" : "There is no such key.\n");
  return revoked ? 0 : 1;
}
