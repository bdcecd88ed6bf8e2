import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AgentError } from "../../src/core/index.ts";
import { namesBelow, openTemporary, read, SECRET, type TemporaryWorkspace } from "./_fixture.ts";

/** Exchanges pairs of names as fast as the kernel can, so that each name always stands for one thing or the other; see rename(2). */
const EXCHANGER = `
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
pairs = [(os.fsencode(a), os.fsencode(b)) for a, b in zip(sys.argv[2::2], sys.argv[3::2])]
end = time.monotonic() + float(sys.argv[1])
count = 0
while time.monotonic() < end:
    for a, b in pairs:
        if libc.renameat2(-100, a, -100, b, 2) != 0:
            sys.exit(os.strerror(ctypes.get_errno()))
        count += 1
print(count)
`;

/** The same with what every system has: in between a name may be missing, or made anew by the workspace. */
const RENAMER = `
  const { existsSync, renameSync, rmSync } = require("node:fs");
  const [seconds, ...names] = process.argv.slice(1);
  const attempt = (step) => { try { step(); } catch {} };
  let count = 0;
  for (const end = Date.now() + seconds * 1000; Date.now() < end; count += 1) {
    for (let at = 0; at < names.length; at += 2) {
      const [one, other] = names.slice(at, at + 2);
      attempt(() => renameSync(one, one + ".x"));
      if (existsSync(one + ".x")) attempt(() => rmSync(one, { recursive: true, force: true }));
      attempt(() => renameSync(other, one));
      attempt(() => renameSync(one + ".x", other));
    }
  }
  console.log(count);
`;

const hasExchange = (): boolean =>
  process.platform === "linux" &&
  spawnSync("python3", ["-c", "import ctypes; ctypes.CDLL(None).renameat2"]).status === 0;

const SWAPPERS = [["renaming in turns", RENAMER], ...(hasExchange() ? [["exchanging", EXCHANGER]] : [])];

/** `dir` and `file` in the workspace change places with links to a folder and a file outside. */
function startSwapper(program: string, root: string, seconds: number): ChildProcess {
  const names = ["dir", "dir-link", "file", "file-link", "deep/a", "deep/b"].map((name) => join(root, name));
  const [command, flag] = program === EXCHANGER ? ["python3", "-c"] : [process.execPath, "-e"];
  return spawn(command, [flag, program, String(seconds), ...names], { stdio: ["ignore", "pipe", "inherit"] });
}

function plant({ root, outside }: TemporaryWorkspace): void {
  mkdirSync(join(outside, "below"));
  for (const name of ["below/secret", "only-outside", "target"]) writeFileSync(join(outside, name), SECRET);
  symlinkSync(outside, join(root, "dir-link"));
  symlinkSync(join(outside, "target"), join(root, "file-link"));
  symlinkSync("../../outside", join(root, "deep/b"));
  // Without the extra names a search would end before the swapper gets a turn.
  mkdirSync(join(root, "many"));
  for (let at = 0; at < 300; at += 1) writeFileSync(join(root, "many", `${at}.txt`), "inside\n");
}

/** Everything below a folder with its content and times, for comparing. */
function snapshot(folder: string): string[] {
  return namesBelow(folder).map((name) => {
    const stats = statSync(join(folder, name));
    const text = stats.isFile() ? readFileSync(join(folder, name), "utf8") : "";
    return `${name} ${stats.mode} ${stats.uid} ${stats.mtimeMs} ${stats.nlink} ${text}`;
  });
}

function attemptsOn({ workspace }: TemporaryWorkspace): (() => Promise<unknown>)[] {
  const found = { limit: 1_000 };
  const searched = { maxBytes: 100_000 };
  const ways = ["dir", "deep/a"].flatMap((dir) => [
    () => workspace.readText(`${dir}/secret`, read),
    () => workspace.readText(`${dir}/below/secret`, read),
    () => workspace.stat(`${dir}/only-outside`),
    () => workspace.list(dir, { limit: 10 }),
    () => workspace.list(`${dir}/below`, { limit: 10 }),
    () => workspace.writeText(`${dir}/written`, "inside"),
    () => workspace.writeText(`${dir}/new/deep/written`, "inside"),
    () => workspace.previewWrite(`${dir}/secret`, "x"),
    () => workspace.editText(`${dir}/other.txt`, { old: "inside", new: "inside, " }),
    () => workspace.makeFolder(`${dir}/made/deep`),
  ]);
  const files = [
    () => workspace.readText("file", read),
    () => workspace.writeText("file", "inside"),
    () => workspace.editText("file", { old: "inside", new: "inside " }),
  ];
  const searches = [
    () => workspace.findFiles("**", found),
    () => workspace.findFiles("*", { ...found, path: "dir" }),
    () => workspace.searchText("SECRET|inside", searched),
    () => workspace.searchText("SECRET", { ...searched, path: "deep/a", contextLines: 2 }),
    () => workspace.searchText("SECRET", { ...searched, path: "file" }),
  ];
  return searches.flatMap((search) => [...ways, ...files, ...ways, ...files, search]);
}

test.each(SWAPPERS)(
  "a folder and a file that change places with links to the outside, by %s, leak nothing",
  { timeout: 60_000 },
  async (_name, program) => {
    const inside = {
      file: "inside",
      "dir/secret": "inside",
      "dir/other.txt": "inside",
      "dir/below/secret": "in",
    };
    await using temporary = await openTemporary(
      { ...inside, "deep/a/secret": "inside", "deep/a/other.txt": "inside", "deep/a/below/secret": "in" },
      { limits: { writes: 1_000_000 } },
    );
    plant(temporary);
    const before = snapshot(temporary.outside);
    const swapper = startSwapper(program, temporary.root, 2.5);
    let said = "";
    swapper.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
    let running = true;
    const ended = new Promise<number | null>((resolve) => swapper.once("close", resolve)).finally(
      () => (running = false),
    );
    const attempts = attemptsOn(temporary);
    const outcomes = { inside: 0, refused: 0 };
    for (let round = 0; running; round += 1) {
      try {
        const result = JSON.stringify(await attempts[round % attempts.length]?.()) ?? "";
        expect(result).not.toMatch(/OUTSIDE|only-outside/);
        outcomes.inside += 1;
      } catch (error) {
        if (!AgentError.is(error)) throw error;
        expect(error.message).not.toContain(SECRET);
        outcomes.refused += 1;
      }
      if (round % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe(0);
    expect(snapshot(temporary.outside)).toEqual(before);
    expect(Number(said)).toBeGreaterThan(100);
    expect(outcomes.inside).toBeGreaterThan(50);
    expect(outcomes.refused).toBeGreaterThan(50);
    expect(namesBelow(temporary.root).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  },
);
