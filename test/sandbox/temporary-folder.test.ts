import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createBubblewrapSandbox,
  createProcessSandbox,
  findTrustedBinary,
  probeBubblewrap,
} from "../../src/sandbox/index.ts";

const before = process.env["TMPDIR"];
const bwrapPath = findTrustedBinary("bwrap", import.meta.dirname) ?? "/usr/bin/bwrap";
const probeFolder = await mkdtemp(join(tmpdir(), "lmagent-temporary-probe-"));
const probed = await probeBubblewrap({ workspaceRoot: probeFolder, bwrapPath });
await rm(probeFolder, { recursive: true });
let workspaceRoot: string;

beforeEach(async () => {
  workspaceRoot = await mkdtemp(join(await realpath(tmpdir()), "lmagent-temporary-test-"));
  process.env["TMPDIR"] = join(workspaceRoot, "not-there");
});

afterEach(async () => {
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
  await rm(workspaceRoot, { recursive: true, force: true });
});

describe("a temporary folder that cannot be used", () => {
  it.runIf(probed.usable)("does not keep commands from running in bubblewrap", async () => {
    await using sandbox = createBubblewrapSandbox({ workspaceRoot, bwrapPath });
    let said = "";
    const result = await sandbox.run("echo out; echo err >&2", {
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    expect(result.exitCode).toBe(0);
    expect(said.trim().split("\n").sort()).toEqual(["err", "out"]);
  });

  it("is named when commands would have their home there", async () => {
    await using sandbox = createProcessSandbox({ workspaceRoot });
    await expect(sandbox.run("true")).rejects.toMatchObject({
      code: "sandbox_unavailable",
      message: expect.stringContaining(`\`${process.env["TMPDIR"]}\``) as string,
    });
  });
});
