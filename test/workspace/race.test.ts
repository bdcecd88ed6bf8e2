import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { AgentError } from "../../src/core/index.ts";
import { namesBelow, openTemporary, read, SECRET } from "./_fixture.ts";

/** Swaps `dir` for a link to the outside and back as fast as it can; the workspace may make a new `dir` in between. */
const SWAPPER = `
  const { existsSync, renameSync, rmSync, symlinkSync } = require("node:fs");
  const [dir, outside, forMs] = process.argv.slice(1);
  const attempt = (step) => { try { step(); } catch {} };
  for (const end = Date.now() + Number(forMs); Date.now() < end; ) {
    attempt(() => renameSync(dir, dir + ".real"));
    if (existsSync(dir + ".real")) attempt(() => rmSync(dir, { recursive: true, force: true }));
    attempt(() => symlinkSync(outside, dir));
    attempt(() => rmSync(dir, { recursive: true, force: true }));
    attempt(() => renameSync(dir + ".real", dir));
  }
`;

test(
  "swapping a folder for a link while files are read, written and searched leaks nothing",
  { timeout: 30_000 },
  async () => {
    await using temporary = await openTemporary({ "dir/secret": "inside", "dir/other.txt": "inside" });
    const { workspace, root, outside } = temporary;
    const swapper = spawn(process.execPath, ["-e", SWAPPER, join(root, "dir"), outside, "2000"], {
      stdio: "inherit",
    });
    let running = true;
    const ended = new Promise<number | null>((resolve) => swapper.once("exit", resolve)).finally(
      () => (running = false),
    );
    const outcomes = { inside: 0, refused: 0 };
    const attempts = [
      async () => (await workspace.readText("dir/secret", read)).text,
      async () => JSON.stringify(await workspace.writeText("dir/written", "inside")),
      async () =>
        JSON.stringify(await workspace.editText("dir/other.txt", { old: "inside", new: "inside " })),
      async () => JSON.stringify(await workspace.makeFolder("dir/made/deep")),
      async () => JSON.stringify(await workspace.list("dir", { limit: 10 })),
    ];
    const search = async () => (await workspace.searchText("SECRET|inside", { maxBytes: 1_000 })).text;
    for (let round = 0; running; round += 1) {
      const attempt =
        round % 50 === 0 ? search : (attempts[round % attempts.length] as () => Promise<string>);
      try {
        expect(await attempt()).not.toContain(SECRET);
        outcomes.inside += 1;
      } catch (error) {
        if (!AgentError.is(error)) throw error;
        outcomes.refused += 1;
      }
      if (round % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toBe(0);
    expect(namesBelow(outside)).toEqual(["secret"]);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe(SECRET);
    expect(outcomes.inside).toBeGreaterThan(10);
    expect(outcomes.refused).toBeGreaterThan(10);
    expect(namesBelow(root).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  },
);
