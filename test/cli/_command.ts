import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";

export interface CommandPlace extends Disposable {
  home: string;
  workspace: string;
}

/** A settings folder and a workspace of their own, with nothing of this machine's environment; gone afterwards. */
export function createCommandPlace(env: Readonly<Record<string, string>> = {}): CommandPlace {
  const root = mkdtempSync(join(tmpdir(), "lmagent-command-"));
  const place = { home: join(root, "home"), workspace: join(root, "work") };
  mkdirSync(place.workspace);
  const names = { LMAGENT_HOME: place.home, WORKSPACE: place.workspace, HOME: root, ...env };
  for (const name of ["LLM_URL", "LLM_MODEL", "LLM_API_KEY"]) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(names)) vi.stubEnv(name, value);
  return {
    ...place,
    [Symbol.dispose]: () => {
      vi.unstubAllEnvs();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

export interface CommandRun {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command in this process and takes what it writes. */
export async function runCommand(command: () => Promise<number>): Promise<CommandRun> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((chunk) => {
      written[name] += String(chunk);
      return true;
    }),
  );
  try {
    const code = await command();
    return { code, ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
