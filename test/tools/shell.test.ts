import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Sandbox } from "../../src/core/sandbox.ts";
import type { ToolEvent } from "../../src/core/tool.ts";
import { countCommands } from "../../src/testing/running-commands.ts";
import { createShellTool } from "../../src/tools/shell.ts";
import { callTool, createMemoryLog, openCommands, type CommandFixture } from "./_commands.ts";

let commands: CommandFixture;

beforeAll(async () => {
  commands = await openCommands();
});

afterAll(() => commands[Symbol.asyncDispose]());

function openShell(outputLog = createMemoryLog()) {
  return { outputLog, shell: createShellTool({ sandbox: commands.sandbox, outputLog }) };
}

describe("the result of a command", () => {
  it("is its output and exit code, and names the sandbox", async () => {
    const { shell } = openShell();
    const sandbox = commands.sandbox.isolated ? "bubblewrap" : "process (not isolated)";
    const result = await callTool(shell, { command: "echo out; echo err >&2" });
    expect(result).toMatchObject({ ok: true, exit_code: 0, sandbox });
    expect(String(result["output"]).split("\n").toSorted()).toEqual(["", "err", "out"]);
  });

  it.each([
    ["docker", true, "none", "docker"],
    ["docker", true, "bridge", "docker (network bridge)"],
    ["process", false, "bridge", "process (not isolated)"],
  ] as const)("names %s, isolated %j, network %s as %j", async (backend, isolated, network, label) => {
    const { sandbox: real } = commands;
    const sandbox: Sandbox = {
      backend,
      isolated,
      network,
      run: (command, options) => real.run(command, options),
      start: (command, options) => real.start(command, options),
      [Symbol.asyncDispose]: async () => {},
    };
    const shell = createShellTool({ sandbox, outputLog: createMemoryLog() });
    for (const command of ["true", "false"])
      expect(await callTool(shell, { command })).toMatchObject({ sandbox: label });
  });

  it("warns of what other programs will obey, in the result and to the user", async () => {
    const events: ToolEvent[] = [];
    const { shell } = openShell();
    const result = await callTool(shell, { command: "echo x > .envrc" }, { events });
    expect(result).toMatchObject({ ok: true, warnings: [expect.stringContaining(".envrc")] });
    expect(events).toContainEqual({ type: "warning", message: expect.stringContaining(".envrc") });
    expect(await callTool(shell, { command: "rm .envrc" })).not.toHaveProperty("warnings");
  });

  it("begins with the exit code when it failed, and holds the output once", async () => {
    const { shell } = openShell();
    expect(await callTool(shell, { command: "echo why >&2; exit 3" })).toMatchObject({
      ok: false,
      error: "exit code 3: why",
      exit_code: 3,
    });
    expect(await callTool(shell, { command: "exit 4" })).toMatchObject({ ok: false, error: "exit code 4" });
    expect(await callTool(shell, { command: "echo a; echo b; false" })).toMatchObject({
      error: "exit code 1: b",
      output: "a\nb\n",
    });
  });

  it("says which program is not there", async () => {
    const { shell } = openShell();
    expect(await callTool(shell, { command: "nosuchprogram --x" })).toMatchObject({
      ok: false,
      error: "nosuchprogram: command not found",
      exit_code: 127,
    });
  });

  it("names the signal that ended it", async () => {
    const { shell } = openShell();
    expect(await callTool(shell, { command: "kill -SEGV $$" })).toMatchObject({
      ok: false,
      error: "exit code 139 (SIGSEGV)",
      exit_code: 139,
    });
  });

  it("says that the time was over, and what to do", async () => {
    const { shell } = openShell();
    const result = await callTool(shell, { command: "echo begun; sleep 9", timeout: "1" });
    expect(result).toMatchObject({ ok: false, output: "begun\n" });
    expect(result["error"]).toBe("stopped: it took longer than 1 s; `timeout` can be at most 120");
  });

  it("comes within the usual limits when none, less or far too much is asked for", async () => {
    const { shell } = openShell();
    for (const number of [0, -1, 1e9, "30"]) {
      const result = await callTool(shell, {
        command: "sleep 1.1; echo ok",
        timeout: number,
        max_memory_mb: number,
      });
      expect(result).toMatchObject({ ok: true, output: "ok\n" });
    }
  });

  it("says that the memory was used up, and how much it was", async () => {
    const { shell } = openShell();
    const hog = "head -c 60000000 /dev/zero | tail -c 59999999 | sleep 8 &";
    const result = await callTool(shell, { command: `${hog} ${hog} wait`, max_memory_mb: 64 });
    expect(result["error"]).toMatch(/more than 64 MB of memory/);
  });

  it("is that of a line of any length that a program can be given", async () => {
    const { shell } = openShell();
    const command = "wc -c /dev/null #".padEnd(128 * 1_024 - 1, "x");
    expect(await callTool(shell, { command })).toMatchObject({ ok: true, output: "0 /dev/null\n" });
  });

  it("is an error for arguments that make no command", async () => {
    const { shell } = openShell();
    expect(await callTool(shell, {})).toMatchObject({
      ok: false,
      error: expect.stringContaining("`command`"),
    });
    await expect(callTool(shell, { command: "echo a\0b" })).rejects.toThrow(/NUL/);
    await expect(callTool(shell, { command: "x".repeat(200_000) })).rejects.toThrow(/200000 bytes/);
  });

  it("comes at once after an abort", async () => {
    const { shell } = openShell();
    const aborter = new AbortController();
    const sleep = `sleep 79.${process.pid}${Date.now()}`;
    const running = callTool(shell, { command: sleep }, { signal: aborter.signal });
    while ((await countCommands(sleep)) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    aborter.abort();
    expect(await running).toMatchObject({ ok: false, error: "stopped: the run was interrupted" });
    expect(await countCommands(sleep)).toBe(0);
  });
});

describe("long output", () => {
  it("keeps its first and last lines and names the file with all of it", async () => {
    const { shell, outputLog } = openShell();
    const result = await callTool(shell, { command: "seq 100000" }, { resultBytes: 1_000 });
    const output = String(result["output"]);
    expect(JSON.stringify(result).length).toBeLessThanOrEqual(1_000);
    expect(output).toMatch(/^1\n2\n3\n/);
    expect(output).toMatch(/\n99999\n100000\n$/);
    expect(output).toMatch(/\n… \d+ bytes left out; whole output: outputs\/call-1\.txt …\n/);
    expect(outputLog.files.get("outputs/call-1.txt")?.toString()).toBe(
      Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join(""),
    );
  });

  it("is saved only when it is cut", async () => {
    const { shell, outputLog } = openShell();
    await callTool(shell, { command: "seq 10" });
    expect(outputLog.files.size).toBe(0);
  });

  it("says when only its beginning could be saved", async () => {
    const { shell } = openShell(createMemoryLog({ failAfterBytes: 5_000 }));
    const result = await callTool(shell, { command: "seq 100000" }, { resultBytes: 1_000 });
    expect(result["output"]).toMatch(/its beginning: outputs/);
  });

  it("without an end is cut by the time limit, in little memory", async () => {
    const { shell } = openShell(createMemoryLog({ failAfterBytes: 100_000 }));
    const events: ToolEvent[] = [];
    const before = process.memoryUsage().rss;
    const result = await callTool(shell, { command: "yes", timeout: 1 }, { resultBytes: 2_000, events });
    expect(result["output"]).toMatch(/^y\ny\n[^]*bytes left out[^]*y\n/);
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
    const shown = events.reduce((sum, event) => sum + (event.type === "output" ? event.text.length : 0), 0);
    expect(shown).toBeLessThan(2_000_000);
  });
});

describe("output while it comes", () => {
  it("is told about before the command ends", async () => {
    const { shell } = openShell();
    const events: ToolEvent[] = [];
    const running = callTool(
      shell,
      { command: "echo first; while [ ! -e go ]; do sleep 0.01; done; echo second" },
      { events },
    );
    await vi.waitFor(() => expect(events).toEqual([{ type: "output", text: "first\n" }]), 10_000);
    await writeFile(join(commands.workspace, "go"), "");
    await running;
    expect(events).toEqual([
      { type: "output", text: "first\n" },
      { type: "output", text: "second\n" },
    ]);
  });

  it("keeps characters whole that come in two pieces, and replaces bytes that are none", async () => {
    const { shell } = openShell();
    const events: ToolEvent[] = [];
    const result = await callTool(
      shell,
      { command: "printf '\\303'; sleep 0.2; printf '\\274 \\377 \\033[1m'" },
      { events },
    );
    const told = events.map((event) => (event.type === "output" ? event.text : "")).join("");
    expect([told, result["output"]]).toEqual(["ü \ufffd \u001b[1m", "ü \ufffd \u001b[1m"]);
  });
});

describe("the preview of a command", () => {
  const unsafe: Sandbox = {
    backend: "process",
    isolated: false,
    network: "bridge",
    run: async () => ({ exitCode: 0, durationMs: 0 }),
    start: () => Promise.reject(new Error("nothing is started")),
    [Symbol.asyncDispose]: async () => {},
  };
  const previewOf = (sandbox: Sandbox, command: string, allowUnsandboxed = false) =>
    createShellTool({ sandbox, allowUnsandboxed, outputLog: createMemoryLog() }).preview({ command });

  it("shows it, and whether it is known to be harmless", async () => {
    const isolated = { ...unsafe, isolated: true };
    expect(await previewOf(isolated, "ls; pwd")).toEqual({
      kind: "command",
      text: "ls; pwd",
      command: "ls; pwd",
      place: { backend: isolated.backend, isolated: true, network: isolated.network },
      concerns: [],
      harmless: true,
    });
    expect(await previewOf(isolated, "rm x")).toMatchObject({ concerns: [], harmless: false });
  });

  it("is a reason to ask without isolation, which auto mode refuses unless it was accepted", async () => {
    expect(await previewOf(unsafe, "ls")).toMatchObject({
      concerns: ["it runs without isolation"],
      refuseInAuto: true,
    });
    expect(await previewOf(unsafe, "ls", true)).toMatchObject({ refuseInAuto: false });
  });

  it("waits until the sandbox is known", async () => {
    let prepared = false;
    const late = {
      ...unsafe,
      get isolated() {
        return prepared;
      },
      prepare: async () => {
        prepared = true;
      },
    };
    expect((await previewOf(late, "ls")).concerns).toEqual([]);
  });
});
