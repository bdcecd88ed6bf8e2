import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile, chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Sandbox } from "../../src/core/sandbox.ts";
import { createProcessSandbox } from "../../src/sandbox/index.ts";
import { openPassedTests } from "../../src/sandbox/self-test-memory.ts";
import { testSandbox } from "../../src/sandbox/self-test.ts";

let folder: string;
let workspaceRoot: string;

beforeEach(async () => {
  folder = await mkdtemp(join(await realpath(tmpdir()), "lmagent-self-test-"));
  workspaceRoot = join(folder, "workspace");
  await mkdir(workspaceRoot);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const DONE = { exitCode: 0, durationMs: 1 };

/** A sandbox whose commands say this. */
function createSayingSandbox(output: string): Sandbox {
  return {
    backend: "bubblewrap",
    isolated: true,
    network: "none",
    async run(_command, options) {
      options?.onOutput?.(Buffer.from(output), "stdout");
      return DONE;
    },
    start: () => Promise.reject(new Error("not needed")),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function listFailed(sandbox: Sandbox): Promise<readonly string[]> {
  const checks = await testSandbox(sandbox, { stateDir: join(folder, "state") });
  return checks.flatMap(({ name, ok }) => (ok ? [] : [name]));
}

describe("the test of a sandbox", () => {
  it.runIf(process.platform === "linux")("finds out one that keeps nothing away", async () => {
    await using sandbox = createProcessSandbox({ workspaceRoot });
    const claims: Sandbox = {
      backend: "bubblewrap",
      isolated: true,
      network: "none",
      run: (command, options) => sandbox.run(command, options),
      start: (command, options) => sandbox.start(command, options),
      [Symbol.asyncDispose]: async () => {},
    };
    expect(await listFailed(claims)).toEqual(
      expect.arrayContaining([
        "files of this machine cannot be read",
        "other processes cannot be seen",
        "there is no network",
        "no file can be given the rights of its owner (setuid)",
        "the temporary folder is bounded",
        "no program can gain rights (no_new_privs)",
        "system calls are filtered (seccomp)",
      ]),
    );
  });

  it("finds out limits that do not hold", async () => {
    const hog = "59999999\n59999999\n59999999\n59999999\nall\n";
    expect(await listFailed(createSayingSandbox(hog))).toContain("memory is limited");
    const storm = Array.from({ length: 300 }, (_, index) => `${index + 1}\n`).join("");
    expect(await listFailed(createSayingSandbox(`${storm}all\n`))).toContain(
      "the number of processes is limited",
    );
    expect(await listFailed(createSayingSandbox(storm))).toContain("the number of processes is limited");
  });

  it("passes nothing that says nothing", async () => {
    const checks = await testSandbox(createSayingSandbox(""));
    expect(checks.map(({ ok }) => ok)).not.toContain(true);
    expect(checks.length).toBeGreaterThan(2);
  });

  it("passes nothing that cannot run", async () => {
    const broken: Sandbox = {
      ...createSayingSandbox(""),
      run: () => Promise.reject(new Error("no such engine")),
    };
    expect(await testSandbox(broken)).toEqual([
      { name: "commands can be run", ok: false, detail: "no such engine" },
    ]);
  });

  it("lays its bait elsewhere where the temporary folder cannot be used", async () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = join(workspaceRoot, "not-there");
    try {
      const checks = await testSandbox(createSayingSandbox("\n== end\n"), { workspaceRoot });
      expect(checks).toContainEqual({ name: "files of this machine cannot be read", ok: true, detail: "" });
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
    expect(await readdir(workspaceRoot)).toEqual([]);
  });

  it("leaves nothing behind", async () => {
    const before = await readdir(tmpdir());
    await testSandbox(createSayingSandbox(""), { stateDir: join(folder, "state") });
    const left = (await readdir(tmpdir())).filter(
      (name) => name.startsWith("lmagent-canary-") && !before.includes(name),
    );
    expect([left, await readdir(join(folder, "state")), await readdir(workspaceRoot)]).toEqual([[], [], []]);
    expect(Object.keys(process.env).filter((name) => name.includes("CANARY"))).toEqual([]);
    expect(execFileSync("ps", ["-axww", "-o", "args="], { encoding: "utf8" })).not.toMatch(
      /read -r _ lmagent-canary/,
    );
  });
});

describe("the memory of passed tests", () => {
  const facts = { backend: "bubblewrap", path: "/usr/bin/bwrap", size: 1, mtimeMs: 2.5, uid: undefined };
  const file = (): string => join(folder, "state/run/sandbox-tests.json");

  it("knows what has passed and nothing that differs from it", async () => {
    const passed = openPassedTests(join(folder, "state"));
    expect(await passed.has(facts)).toBe(false);
    await passed.add(facts);
    expect(await passed.has({ ...facts })).toBe(true);
    expect(await passed.has({ ...facts, size: 2 })).toBe(false);
    expect(await passed.has({ ...facts, network: "bridge" })).toBe(false);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
  });

  it.each(["", "[]", "null", "{", '{"passed":"all"}', '{"passed":[true,{}]}', "\0\0"])(
    "takes a file that holds %j for empty",
    async (content) => {
      const passed = openPassedTests(join(folder, "state"));
      await passed.add(facts);
      await writeFile(file(), content);
      expect(await passed.has(facts)).toBe(false);
      await passed.add(facts);
      expect(await passed.has(facts)).toBe(true);
    },
  );

  it("does not trust a file that others can write", async () => {
    const passed = openPassedTests(join(folder, "state"));
    await passed.add(facts);
    await chmod(file(), 0o666);
    expect(await passed.has(facts)).toBe(false);
  });

  it("keeps no more than a machine needs, and goes on where nothing can be kept", async () => {
    const passed = openPassedTests(join(folder, "state"));
    for (let size = 0; size < 40; size += 1) await passed.add({ ...facts, size });
    expect(await passed.has({ ...facts, size: 39 })).toBe(true);
    expect((JSON.parse(await readFile(file(), "utf8")) as { passed: string[] }).passed).toHaveLength(32);
    const nowhere = openPassedTests(join(file(), "not-a-folder"));
    await nowhere.add(facts);
    expect(await nowhere.has(facts)).toBe(false);
  });
});
