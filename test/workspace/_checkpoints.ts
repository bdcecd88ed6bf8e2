import { execFileSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { ChangeRecorder } from "../../src/core/checkpoint.ts";
import {
  createCheckpointStore,
  type CheckpointBounds,
  type FileCheckpoints,
} from "../../src/workspace/index.ts";
import { openTemporary, type TemporaryWorkspace } from "./_fixture.ts";

export interface Checkpointed extends TemporaryWorkspace {
  store: FileCheckpoints;
  /** Runs a shell command as a call of a new request; the id of its checkpoint. */
  command(line: string): Promise<string>;
  /** Writes files as a tool does, in a request of its own. */
  write(files: Readonly<Record<string, string>>): Promise<string>;
}

export async function openCheckpointed(
  files: Readonly<Record<string, string | Uint8Array>> = {},
  bounds: Partial<CheckpointBounds> = {},
): Promise<Checkpointed> {
  const temporary = await openTemporary(files);
  const store = createCheckpointStore({ root: temporary.root, bounds });
  return {
    ...temporary,
    store,
    command: async (line) => {
      const recorder = store.begin();
      const { id } = recorder;
      await runCommand(recorder, temporary.root, line);
      return id;
    },
    write: async (contents) => {
      const recorder = store.begin();
      const { id } = recorder;
      for (const [path, text] of Object.entries(contents)) await writeAs(recorder, temporary, { path, text });
      return id;
    },
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    },
  };
}

const { signal } = new AbortController();

/** What the user was told. */
export async function runCommand(recorder: ChangeRecorder, cwd: string, line: string): Promise<string[]> {
  const before = await recorder.before(undefined, { signal });
  execFileSync("sh", ["-c", line], { cwd });
  const after = await recorder.after(undefined);
  return [before, after].filter((said) => said !== undefined);
}

export async function writeAs(
  recorder: ChangeRecorder,
  { workspace }: TemporaryWorkspace,
  { path, text }: { path: string; text: string },
): Promise<string | undefined> {
  const { writes = [] } = await workspace.previewWrite(path, text);
  const said = await recorder.before(writes, { signal });
  await workspace.writeText(path, text);
  await recorder.after(writes);
  return said;
}

/** Everything below a folder but our own state: kind, permissions and content by path, which is given as Latin-1. */
export function snapshot(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (folder: Buffer, shown: string): void => {
    for (const name of readdirSync(folder, { encoding: "buffer" })) {
      const path = Buffer.concat([folder, Buffer.from("/"), name]);
      const at = shown === "" ? name.toString("latin1") : `${shown}/${name.toString("latin1")}`;
      if (at === ".lmagent") continue;
      const stats = lstatSync(path);
      const mode = (stats.mode & 0o777).toString(8);
      if (stats.isSymbolicLink()) found[at] = `link ${readlinkSync(path, "latin1")}`;
      else if (stats.isFile()) found[at] = `file ${mode} ${readFileSync(path).toString("latin1")}`;
      else found[at] = stats.isDirectory() ? `folder ${mode}` : "other";
      if (stats.isDirectory()) visit(path, at);
    }
  };
  visit(Buffer.from(root), "");
  return found;
}

/** Files in which checkpoints are kept. */
export function keptFiles(root: string): string[] {
  return readdirSync(join(root, ".lmagent", "checkpoints")).sort();
}
