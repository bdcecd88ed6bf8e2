import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Sandbox } from "../../src/core/sandbox.ts";
import { createBubblewrapSandbox, findTrustedBinary, probeBubblewrap } from "../../src/sandbox/index.ts";
import { createControlGroup } from "../../src/sandbox/cgroup.ts";
import { uniqueSleep } from "../../src/testing/running-commands.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(realpathSync(tmpdir()), "lmagent-cgroup-test-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** No user of this machine; only its number matters. */
const OWNER = 54_322;

const LIMITS = { memoryBytes: 64 * 1_024 * 1_024, processes: 130 };
const open = () =>
  createControlGroup(LIMITS, { base: join(root, "cgroup"), processFolder: join(root, "proc") });
const groupsIn = (folder: string): string[] =>
  readdirSync(join(root, "cgroup", folder)).filter((name) => name.startsWith("lmagent-"));

/** A process that started at this tick: field 22 of proc(5). */
const toStat = (pid: number, start: number): string => `${pid} (a) b) S ${"0 ".repeat(18)}${start} 0\n`;

describe("a control group of version 2", () => {
  beforeEach(() => {
    put("proc/self/cgroup", "0::/user.slice/app.scope\n");
    put(`proc/${process.pid}/stat`, toStat(process.pid, 5));
    put("cgroup/user.slice/cgroup.subtree_control", "cpu memory pids\n");
  });

  it("lies beside that of the agent and has its limits", async () => {
    const group = open();
    const [name] = groupsIn("user.slice");
    expect(name).toMatch(new RegExp(`^lmagent-${process.pid}-5-\\d+$`));
    const value = (file: string) => readFileSync(join(root, "cgroup/user.slice", name!, file), "utf8");
    expect(["memory.max", "memory.swap.max", "memory.oom.group", "pids.max"].map(value)).toEqual([
      "67108864",
      "0",
      "1",
      "130",
    ]);
    await group?.enter(4_321);
    expect(value("cgroup.procs")).toBe("4321");
    expect(group?.verdict()).toBeUndefined();
    writeFileSync(join(root, "cgroup/user.slice", name!, "memory.events"), "max 3\noom 1\noom_kill 1\n");
    expect(group?.verdict()).toBe("memory");
    expect(group?.toEntering(["true"], 0)).toBeUndefined();
  });

  it("is not made where the limits are not granted", () => {
    put("cgroup/user.slice/cgroup.subtree_control", "cpu\n");
    expect(open()).toBeUndefined();
    expect(groupsIn("user.slice")).toEqual([]);
  });

  it("takes those of agents that are gone away, and no others", () => {
    put("proc/77/stat", toStat(77, 9));
    for (const name of ["lmagent-77-9-1", "lmagent-77-8-1", "lmagent-78-9-1", "other"])
      mkdirSync(join(root, "cgroup/user.slice", name));
    open();
    expect(readdirSync(join(root, "cgroup/user.slice"))).toEqual(
      expect.arrayContaining(["lmagent-77-9-1", "other"]),
    );
    expect(groupsIn("user.slice").length).toBe(2);
  });
});

describe("a control group of version 1", () => {
  it("is one for memory and one for processes", async () => {
    put("proc/self/cgroup", "8:pids:/\n4:cpu,memory:/of/agent\n0::/\n");
    mkdirSync(join(root, "cgroup/memory/of/agent"), { recursive: true });
    mkdirSync(join(root, "cgroup/pids"), { recursive: true });
    const group = open();
    await group?.enter(4_321);
    const [memory, pids] = [groupsIn("memory/of/agent")[0]!, groupsIn("pids")[0]!];
    const value = (path: string) => readFileSync(join(root, "cgroup", path), "utf8");
    expect([
      value(`memory/of/agent/${memory}/memory.limit_in_bytes`),
      value(`pids/${pids}/pids.max`),
    ]).toEqual(["67108864", "130"]);
    expect([value(`memory/of/agent/${memory}/cgroup.procs`), value(`pids/${pids}/cgroup.procs`)]).toEqual([
      "4321",
      "4321",
    ]);
  });

  it("is entered by the program itself, with its arguments as they are", () => {
    put("proc/self/cgroup", "8:pids:/\n4:memory:/\n");
    for (const name of ["memory", "pids"]) mkdirSync(join(root, "cgroup", name), { recursive: true });
    const [shell, ...args] = open()!.toEntering(["/usr/bin/printf", "<%s>", "", "a 'b'\n"], 0)!;
    expect(execFileSync(shell!, args, { encoding: "utf8" })).toBe("<><a 'b'\n>");
    for (const name of ["memory", "pids"])
      expect(readFileSync(join(root, "cgroup", name, groupsIn(name)[0]!, "tasks"), "utf8")).toBe("0\n");
  });

  it.runIf(process.getuid?.() === 0)("can be entered and not be listed by the user it is for", () => {
    put("proc/self/cgroup", "8:pids:/\n4:memory:/\n");
    for (const name of ["memory", "pids"]) mkdirSync(join(root, "cgroup", name), { recursive: true });
    const group = open()!;
    // Without the file, as it would be on a system that has none.
    expect(group.toEntering(["true"], OWNER)).toBeUndefined();
    const folders = ["memory", "pids"].map((name) => join(root, "cgroup", name, groupsIn(name)[0]!));
    for (const folder of folders)
      for (const file of ["tasks", "cgroup.procs"]) writeFileSync(join(folder, file), "");
    expect(group.toEntering(["true"], OWNER)?.at(-1)).toBe("true");
    for (const folder of folders) {
      const owners = ["tasks", "cgroup.procs", "."].map((file) => statSync(join(folder, file)).uid);
      expect([owners, statSync(folder).mode & 0o777]).toEqual([[OWNER, 0, 0], 0o711]);
    }
  });

  it("is left when one of both cannot be made", () => {
    put("proc/self/cgroup", "8:pids:/\n4:memory:/\n");
    mkdirSync(join(root, "cgroup/memory"), { recursive: true });
    expect(open()).toBeUndefined();
    expect(groupsIn("memory")).toEqual([]);
  });
});

/** A sandbox whose commands are in control groups; the test is skipped where there can be none. */
async function openInGroup(skip: (condition: boolean, note: string) => void): Promise<Sandbox> {
  const bwrapPath = findTrustedBinary("bwrap", root) ?? "/usr/bin/bwrap";
  const { usable } = await probeBubblewrap({ workspaceRoot: root, bwrapPath });
  skip(!usable, "bubblewrap does not work here");
  const probe = createControlGroup(LIMITS);
  skip(probe === undefined, "no control group can be made here");
  probe?.remove();
  return createBubblewrapSandbox({ workspaceRoot: root, bwrapPath });
}

describe("a program that stays", () => {
  it("is held to its memory also where no process has it mapped", async ({ skip }) => {
    await using sandbox = await openInGroup(skip);
    const hog = `import os
held = os.memfd_create("held")
for _ in range(100): os.write(held, bytes(4 << 20))
print("survived", flush=True)`;
    let said = "";
    const program = await sandbox.start(["python3", "-c", hog], {
      memoryMb: 128,
      onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
    });
    const { stopped } = await program.ended;
    expect([stopped, said]).toEqual(["memory", ""]);
  });
});

describe("a command of root", () => {
  it("over the workspace of a user is held to its memory also where no process has it mapped", async ({
    skip,
  }) => {
    skip(process.getuid?.() !== 0, "only root runs commands as somebody else");
    chmodSync(root, 0o755);
    chownSync(root, OWNER, OWNER);
    await using sandbox = await openInGroup(skip);
    const hog = `import os
for index in range(4):
    os.posix_fallocate(os.memfd_create("held"), 0, 100 << 20)
print("survived", flush=True)`;
    // In a new sandbox, and in one that waited.
    for (let count = 0; count < 3; count += 1) {
      let said = "";
      const { stopped } = await sandbox.run(["python3", "-c", hog], {
        memoryMb: 128,
        onOutput: (chunk) => (said += Buffer.from(chunk).toString()),
      });
      expect([stopped, said]).toEqual(["memory", ""]);
    }
  });

  it("is in a group of its own from the start, whether its sandbox is new or waited", async ({ skip }) => {
    skip(process.getuid?.() !== 0, "only for root nothing else limits processes");
    await using sandbox = await openInGroup(skip);
    const groups: string[] = [];
    for (let count = 0; count < 3; count += 1) {
      const sleep = uniqueSleep();
      const ending = new AbortController();
      const running = sandbox.run(`${sleep}; true`, { signal: ending.signal });
      await expect.poll(() => readGroups(sleep).length, { timeout: 10_000 }).toBe(1);
      groups.push(...readGroups(sleep));
      ending.abort();
      await running;
    }
    expect(groups.length).toBe(3);
    expect(new Set(groups).size).toBe(3);
  });
});

/** The group of ours that a program is in, as seen from outside of its sandbox, where it looks like the whole hierarchy. */
function readGroups(command: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids
    .filter((pid) => readText(`/proc/${pid}/cmdline`) === `${command.replaceAll(" ", "\0")}\0`)
    .flatMap((pid) => /\/lmagent-\S+/.exec(readText(`/proc/${pid}/cgroup`)) ?? []);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
