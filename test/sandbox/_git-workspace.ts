/** A workspace of its own for each test, and repositories in it. */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { guardWorkspace } from "../../src/sandbox/git-guard.ts";
import { readPins } from "../../src/sandbox/pins.ts";

export let base: string;
export let root: string;

beforeEach(() => {
  base = mkdtempSync(join(realpathSync(tmpdir()), "lmagent-pins-test-"));
  root = join(base, "workspace");
  mkdirSync(root);
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

export function put(path: string, text = "", mode = 0o644): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  chmodSync(join(root, path), mode);
}

/** A repository as git makes it, without needing git. */
export function putRepository(path: string, config = "[core]\n\trepositoryformatversion = 0\n"): void {
  put(`${path}/HEAD`, "ref: refs/heads/main\n");
  put(`${path}/config`, config);
  for (const name of ["objects", "refs/heads"]) mkdirSync(join(root, path, name), { recursive: true });
}

export const describePins = (repositories?: readonly string[]): string[] =>
  readPins(root, repositories).map(({ path, kind, access }) => `${access} ${kind} ${path}`);

export const EVIL = "[core]\n\tfsmonitor = evil\n";

/** What `body` leaves, told by the guard. */
export function guarded(body: () => void): string[] {
  const guard = guardWorkspace(root);
  body();
  return guard.finish();
}
