import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { callReply, startScriptedServer, textReply } from "../../src/testing/index.ts";
import { chatBody, createPlace, lastEvent, runAgent, spawnAgent } from "./_agent.ts";

describe("a resumed session", () => {
  it("goes on with its todos and its whole conversation", async () => {
    using place = createPlace();
    await using first = await startScriptedServer([
      callReply([{ name: "todo_add", arguments: { text: "paint the fence" } }]),
      textReply("Noted."),
    ]);
    await runAgent(["--json", "note it"], { place, url: first.url });
    await using second = await startScriptedServer([
      callReply([{ name: "todo_list", arguments: {} }]),
      textReply("One is open."),
    ]);
    const run = await runAgent(["--json", "--continue", "what is open?"], { place, url: second.url });
    expect(lastEvent(run).reason).toBe("done");
    const before = chatBody(first, 1).messages;
    const after = chatBody(second, 0).messages;
    expect(JSON.stringify(after).startsWith(JSON.stringify(before).slice(0, -1))).toBe(true);
    expect(JSON.stringify(chatBody(second, 1).messages.at(-1))).toContain("paint the fence");
  });

  it("keeps a stricter mode, never a looser one, unless the mode is given", async () => {
    const cases: [string[], Record<string, string>, string][] = [
      [["--permission", "manual"], {}, "manual"],
      [["--permission", "auto"], {}, "normal"],
      [["--permission", "auto"], { PERMISSION_MODE: "auto" }, "auto"],
    ];
    for (const [flags, env, expected] of cases) {
      using place = createPlace();
      await using server = await startScriptedServer(() => textReply("Hello."));
      await runAgent([...flags, "--json", "hi"], { place, url: server.url });
      const run = await runAgent(["--json", "--continue", "hi again"], { place, url: server.url, env });
      expect(run.events[0]).toMatchObject({ type: "run_started", mode: expected });
      const given = await runAgent(["--json", "--continue", "--permission", "auto", "hi"], {
        place,
        url: server.url,
      });
      expect(given.events[0]).toMatchObject({ mode: "auto" });
    }
  });

  it("is found by a part of its id and listed with how it ended", async () => {
    using place = createPlace();
    await using server = await startScriptedServer(() => textReply("Hello."));
    await runAgent(["--json", "say hi to the moon"], { place, url: server.url });
    const listed = await runAgent(["--list-sessions"], { place });
    expect(listed.stdout).toMatch(/done +2 messages +say hi to the moon/);
    const id = listed.stdout.split(" ")[0] ?? "";
    const run = await runAgent(["--json", "--resume", id.slice(-6), "again"], { place, url: server.url });
    expect(run.events[0]).toMatchObject({ sessionId: id });
  });
});

describe("a task", () => {
  it("comes from a pipe when there is no argument, and its answer alone goes to stdout", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      callReply([{ name: "ls", arguments: {} }], { text: "Let me look." }),
      textReply("It is empty."),
    ]);
    const run = await runAgent([], { place, url: server.url, stdin: "what is here?\n" });
    expect(run.stdout).toBe("It is empty.\n");
    expect(run.stderr).toContain("ls");
    expect(chatBody(server, 0).messages[1]).toMatchObject({ content: "what is here?\n" });
  });

  it("reads the soul file and the project's context, and sends one system message", async () => {
    using place = createPlace();
    writeFileSync(`${place.workspace}/.soul.md`, "Always answer in rhyme.");
    writeFileSync(`${place.workspace}/AGENTS.md`, "Tests: npm test");
    await using server = await startScriptedServer([textReply("Fine.")]);
    await runAgent(["--json", "hi"], { place, url: server.url });
    const { messages } = chatBody(server, 0);
    expect(messages.filter(({ role }) => role === "system")).toHaveLength(1);
    expect(messages[0]?.content).toMatch(/Always answer in rhyme\.[^]*Tests: npm test/);
  });

  it("ends with 130 and a clean session when it is interrupted", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      callReply([{ name: "shell", arguments: { command: "sleep 20" } }]),
      textReply("never"),
    ]);
    const child = spawnAgent(["--permission", "auto", "--json", "sleep"], { place, url: server.url });
    let stdout = "";
    const started = new Promise<void>((done) =>
      child.stdout?.on("data", (chunk: Buffer) => {
        stdout += chunk.toString();
        if (stdout.includes("tool_started")) done();
      }),
    );
    const closed = new Promise<number | null>((done) => child.on("close", done));
    await started;
    child.kill("SIGINT");
    expect(await closed).toBe(130);
    expect(stdout).toContain('"reason":"aborted"');
    const shown = await runAgent(["--list-sessions", "--json"], { place });
    expect(JSON.parse(shown.stdout)).toMatchObject([{ status: "aborted" }]);
  });
});

describe("lmagent sandbox", () => {
  it("runs a command with its own exit code and output", async () => {
    using place = createPlace();
    const run = await runAgent(["sandbox", "run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"], {
      place,
    });
    expect(run).toMatchObject({ code: 7, stdout: "out\n" });
    expect(run.stderr).toContain("err");
  });

  it("says what is in force, and its tries do not get out", async () => {
    using place = createPlace();
    const status = await runAgent(["sandbox", "status"], { place });
    const tries = await runAgent(["sandbox", "test"], { place });
    expect(status.stdout).toMatch(/^sandbox +(docker|bubblewrap|seatbelt|process \(not isolated\))/);
    expect(tries.code).toBe(status.code);
  });
});
