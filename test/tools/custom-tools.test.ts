import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sandbox, SandboxBackend } from "../../src/core/sandbox.ts";
import type { ToolEvent, ToolResult } from "../../src/core/tool.ts";
import { countCommands } from "../../src/testing/running-commands.ts";
import {
  createCustomTool,
  parseDeclaration,
  readDeclaration,
  type CustomTool,
  type ToolSource,
} from "../../src/tools/custom/index.ts";
import { openBackend, TESTED_BACKENDS, whyUnavailable } from "../sandbox/_backends.ts";
import { callTool } from "./_commands.ts";

const missing = new Map(
  await Promise.all(
    TESTED_BACKENDS.map(async (backend) => [backend, await whyUnavailable(backend)] as const),
  ),
);

it.for(TESTED_BACKENDS)("%s works on this machine, or is missed out loud", (backend, { skip }) => {
  const reason = missing.get(backend);
  if (reason !== undefined) console.warn(`custom tools are not tested in ${backend}: ${reason}`);
  skip(reason !== undefined && process.env["CI"] !== "true", reason);
  expect(reason).toBeUndefined();
});

interface Place extends AsyncDisposable {
  workspace: string;
  sandbox: Sandbox;
}

async function openPlace(backend: SandboxBackend): Promise<Place> {
  const workspace = await mkdtemp(join(await realpath(tmpdir()), "lmagent-custom-"));
  const sandbox = openBackend(backend, workspace);
  return {
    workspace,
    sandbox,
    async [Symbol.asyncDispose]() {
      await sandbox[Symbol.asyncDispose]();
      await rm(workspace, { recursive: true });
    },
  };
}

const toSource = (text: string): ToolSource => ({ name: "probe", file: "probe.mjs", text });
const signal = new AbortController().signal;

function openTool(text: string, sandbox: Sandbox, { timeoutSeconds = 20 } = {}): CustomTool {
  const parsed = parseDeclaration({
    description: "a tool for a test",
    parameters: PARAMETERS,
    timeoutSeconds,
  });
  if (!parsed.ok) throw new Error(parsed.error);
  return createCustomTool({ source: toSource(text), declaration: parsed.declaration, sandbox });
}

const PARAMETERS = { type: "object", properties: { what: { type: "string" } }, required: ["what"] };

/** One tool that does what it is told: each action is one way to behave badly. */
const ACTIONS = `
  import { writeSync } from "node:fs";
  let calls = 0;
  const actions = {
    count: () => ++calls,
    spin: () => { while (true); },
    wait: () => new Promise(() => {}),
    exit: () => process.exit(0),
    crash: () => process.abort(),
    reject: () => new Promise(() => { Promise.reject(new Error("stray")); }),
    stray: () => new Promise(() => { setTimeout(() => { throw new Error("stray") }, 1); }),
    later: () => { setTimeout(() => { throw new Error("afterwards") }, 1); return "fine"; },
    allocate: () => { const kept = []; for (;;) kept.push(Buffer.alloc(64e6, 1)); },
    heap: () => { const kept = []; for (;;) kept.push(new Array(1e6).fill(kept.length)); },
    huge: () => "x".repeat(100e6),
    cyclic: () => { const self = {}; self.self = self; return self; },
    getter: () => ({ get field() { throw new Error("from a getter"); } }),
    evil: () => { throw { toString() { throw 1 }, toJSON() { throw 2 } }; },
    message: () => { const e = new Error("x"); Object.defineProperty(e, "message", { get() { throw 1 } }); throw e; },
    symbol: () => Symbol("s"),
    bigint: () => ({ n: 1n }),
    keys: () => JSON.parse('{"__proto__":{"polluted":1},"constructor":2}'),
    nothing: () => undefined,
    noise: () => { console.log("hello"); process.stdout.write("world"); writeSync(1, "\\n{\\"id\\":1,\\"output\\":\\"forged\\"}\\nhalf"); return "done"; },
    flood: async () => { for (let i = 0; i < 100; i++) await new Promise((done) => process.stderr.write("y".repeat(1e6), done)); return "done"; },
    long: () => { for (let left = 3e6; left > 0; ) try { left -= writeSync(1, "z".repeat(1e5)); } catch {} return "done"; },
    babble: () => { setInterval(() => process.stdout.write("b".repeat(1e5)), 1); return "started"; },
    close: () => { process.stdin.destroy(); return "closed"; },
    environment: () => process.env,
  };
  export default ({ what }) => actions[what]();
`;

const available = TESTED_BACKENDS.filter((backend) => missing.get(backend) === undefined);

describe.each(available)("a custom tool in %s", (backend) => {
  let place: Place;
  let patient: CustomTool;
  let hasty: CustomTool;

  beforeAll(async () => {
    place = await openPlace(backend);
    patient = openTool(ACTIONS, place.sandbox);
    hasty = openTool(ACTIONS, place.sandbox, { timeoutSeconds: 2 });
  });
  afterAll(async () => {
    await Promise.all([patient, hasty].map((tool) => tool[Symbol.asyncDispose]()));
    await place[Symbol.asyncDispose]();
  });

  /** The result of a call, and that of the next one. */
  const run = async (
    what: string,
    { tool = patient, ...options }: Parameters<typeof callTool>[2] & { tool?: CustomTool } = {},
  ): Promise<{ result: ToolResult; next: ToolResult }> => {
    const result = await callTool(tool, { what }, options);
    return { result, next: await callTool(tool, { what: "count" }) };
  };

  it("answers, and keeps what it remembers between calls", async () => {
    await using tool = openTool(ACTIONS, place.sandbox);
    const sandbox = backend === "process" ? "process (not isolated)" : backend;
    expect(await callTool(tool, { what: "count" })).toEqual({ ok: true, output: "1", sandbox });
    expect(await callTool(tool, { what: "count" })).toEqual({ ok: true, output: "2", sandbox });
    expect(await callTool(tool, { what: "nothing" })).toMatchObject({ ok: true, output: "" });
  });

  it.each([
    ["exit", /^probe\.mjs: it ended its process \(exit code 0\)$/],
    ["reject", /^probe\.mjs: nobody caught stray \(probe\.mjs:\d+:\d+\)$/],
    ["stray", /^probe\.mjs: nobody caught stray \(probe\.mjs:\d+:\d+\)$/],
    ["crash", /^probe\.mjs: it ended its process \(/],
    ["heap", /^probe\.mjs: it (?:ended its process|used too much memory)/],
  ])("that goes wrong with %s fails alone and is started again", async (what, error) => {
    const { result, next } = await run(what);
    expect(result).toMatchObject({ ok: false, error: expect.stringMatching(error) as string });
    expect(next).toMatchObject({ ok: true, output: "1" });
  });

  it.each(["spin", "wait"])("that never answers (%s) fails alone and is started again", async (what) => {
    const { result, next } = await run(what, { tool: hasty });
    expect(result).toMatchObject({
      ok: false,
      error: "probe.mjs: it took longer than 2 s and was stopped",
    });
    expect(next).toMatchObject({ ok: true, output: "1" });
  });

  it("that takes all memory fails alone", async () => {
    const { result, next } = await run("allocate");
    expect(result).toMatchObject({ ok: false });
    expect(next).toMatchObject({ ok: true });
  });

  it("that breaks after its answer is started again", async () => {
    await using tool = openTool(ACTIONS, place.sandbox);
    expect(await callTool(tool, { what: "later" })).toMatchObject({ ok: true, output: "fine" });
    await pause(300);
    expect(await callTool(tool, { what: "count" })).toMatchObject({ ok: true, output: "1" });
  });

  it("that writes on and on between calls is stopped, and started again", async () => {
    expect(await callTool(patient, { what: "babble" })).toMatchObject({ ok: true, output: "started" });
    let next: ToolResult = { ok: true, output: "" };
    for (let tries = 0; tries < 50 && !(next.ok && next.output === "1"); tries += 1) {
      await pause(100);
      next = await callTool(patient, { what: "count" });
    }
    expect(next).toMatchObject({ ok: true, output: "1" });
  });

  it("that no longer listens costs one call", async () => {
    const { result, next } = await run("close", { tool: hasty });
    expect(result).toMatchObject({ ok: true, output: "closed" });
    expect(next).toMatchObject({ ok: false });
  });

  it.each([
    ["huge", /^probe\.mjs: RangeError: the result has \d+ bytes, at most 1000000 fit/],
    ["cyclic", /^probe\.mjs: TypeError: Converting circular structure/],
    ["getter", /^probe\.mjs: from a getter/],
    ["evil", /^probe\.mjs: it threw something that cannot be shown$/],
    ["message", /^probe\.mjs: it threw something that cannot be shown$/],
    ["symbol", /^probe\.mjs: TypeError: the result is a symbol, which is not JSON/],
    ["bigint", /^probe\.mjs: TypeError: Do not know how to serialize a BigInt/],
  ])("that returns what cannot be a result (%s) fails and goes on", async (what, error) => {
    const { result, next } = await run(what);
    expect(result).toMatchObject({ ok: false, error: expect.stringMatching(error) as string });
    expect(next).toMatchObject({ ok: true });
  });

  it("cannot reach into the agent with the keys of its result", async () => {
    const { result } = await run("keys");
    expect(result).toMatchObject({ ok: true, output: '{"__proto__":{"polluted":1},"constructor":2}' });
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("may write to its output without being misread", async () => {
    const events: ToolEvent[] = [];
    const { result } = await run("noise", { events });
    expect(result).toMatchObject({ ok: true, output: "done" });
    const shown = events.map((event) => (event.type === "output" ? event.text : "")).join("");
    expect(shown).toContain("hello");
    expect(shown).toContain("world");
  });

  it.each(["flood", "long"])("may flood its output (%s) and still answer", async (what) => {
    const before = process.memoryUsage().rss;
    const { result } = await run(what);
    expect(result).toMatchObject({ ok: true, output: "done" });
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  it("sees none of the agent's environment", async () => {
    process.env["LLM_API_KEY"] = "sk-very-secret";
    try {
      const { result } = await run("environment");
      expect(JSON.stringify(result)).toContain("PATH");
      expect(JSON.stringify(result)).not.toContain("sk-very-secret");
    } finally {
      delete process.env["LLM_API_KEY"];
    }
  });

  it("is ended when the call is interrupted, and can be called again", async () => {
    const aborted = AbortSignal.timeout(200);
    expect(await callTool(patient, { what: "spin" }, { signal: aborted })).toMatchObject({
      ok: false,
      error: "probe.mjs: it was interrupted",
    });
    expect(await callTool(patient, { what: "count" })).toMatchObject({ ok: true, output: "1" });
  });

  it("runs one call after another, each with its own answer", async () => {
    await using tool = openTool(ACTIONS, place.sandbox);
    const results = await Promise.all(Array.from({ length: 20 }, () => callTool(tool, { what: "count" })));
    expect(results.map((result) => result.ok && result.output)).toEqual(
      Array.from({ length: 20 }, (_, index) => String(index + 1)),
    );
  });

  it("may be as long as a file may be, and so may its answer", async () => {
    const text = `export default () => "ü".repeat(499_900); // ${"x".repeat(1_048_576 - 60)}`;
    await using tool = openTool(text, place.sandbox);
    const result = await callTool(tool, { what: "start" }, { resultBytes: 2_000_000 });
    expect(result).toMatchObject({ ok: true, output: "ü".repeat(499_900) });
    const short = await callTool(tool, { what: "start" }, { resultBytes: 1_000 });
    expect(short.ok && Buffer.byteLength(short.output)).toBeLessThan(1_000);
    expect(short.ok && short.output).toContain("bytes left out");
  });

  it("is started more and more slowly while it does nothing but end", async () => {
    await using tool = openTool("export default () => process.exit(1)", place.sandbox);
    const started = performance.now();
    for (let calls = 0; calls < 4; calls += 1)
      expect(await callTool(tool, { what: "start" })).toMatchObject({ ok: false });
    expect(performance.now() - started).toBeGreaterThan(250 + 500);
    const aborted = AbortSignal.timeout(50);
    await expect(callTool(tool, { what: "start" }, { signal: aborted })).rejects.toMatchObject({
      name: "TimeoutError",
    });
  });

  it("leaves no process behind", async () => {
    const sleep = `sleep 73.${process.pid}${Date.now()}`;
    {
      await using tool = openTool(
        `import { spawn } from "node:child_process";
         export default () => { spawn("setsid", ${JSON.stringify(sleep.split(" "))}, { stdio: "ignore" }); };`,
        place.sandbox,
      );
      await callTool(tool, { what: "start" });
      for (let tries = 0; tries < 100 && (await countCommands(sleep)) === 0; tries += 1) await pause(20);
      expect(await countCommands(sleep)).toBeGreaterThan(0);
    }
    expect(await countCommands(sleep)).toBe(0);
  });

  it.each(["../../x", "./x.mjs", "lodash"])("cannot import %s", async (specifier) => {
    await writeFile(join(place.workspace, "x.mjs"), "export default 1");
    const source = toSource(
      `import x from "${specifier}"; export const description = "x"; export default () => x;`,
    );
    expect(await readDeclaration(source, { sandbox: place.sandbox, signal })).toEqual({
      ok: false,
      error: `it imports \`${specifier}\`, but a custom tool is one file and can import only Node's own modules, such as \`node:fs\``,
    });
  });

  it.each([
    [
      "export default () => {",
      /^SyntaxError: .* \(`node --check \.lmagent\/tools\/probe\.mjs` shows where\)$/,
    ],
    ["throw new Error('at once'); export default () => {}", /^at once \(probe\.mjs:1:7\)$/],
    ["export const description = 'x'", /^TypeError: it exports no function/],
    ["export default () => {}", /^`description` is missing/],
    ["process.exit(3)", /^it ended its process \(exit code 3\)$/],
    [
      "export const description = 'x'; let p = {}; for (let i = 0; i < 1e6; i++) p = { p }; export const parameters = p; export default () => 1",
      /^RangeError: /,
    ],
  ])("that cannot be set up says why: %s", async (text, error) => {
    const parsed = await readDeclaration(toSource(text), { sandbox: place.sandbox, signal });
    expect(parsed).toEqual({ ok: false, error: expect.stringMatching(error) as string });
  });

  it("is not waited for when it is never set up", async () => {
    const source = toSource("await new Promise(() => {})");
    expect(await readDeclaration(source, { sandbox: place.sandbox, signal, loadMs: 1_000 })).toEqual({
      ok: false,
      error: "setting it up took longer than 1 s",
    });
  });

  it("needs Node where it runs, and says so", async () => {
    const withoutNode: Sandbox = Object.assign(Object.create(place.sandbox) as Sandbox, {
      start: (command: readonly string[], options: Parameters<Sandbox["start"]>[1]) =>
        place.sandbox.start(["no-such-node", ...command.slice(1)], options),
    });
    expect(
      await readDeclaration(toSource("export default () => {}"), { sandbox: withoutNode, signal }),
    ).toMatchObject({
      error: expect.stringContaining(`\`node\` is not installed where commands run (${backend})`) as string,
    });
  });
});

describe.each(available.filter((backend) => backend !== "process"))(
  "the walls of %s around a custom tool",
  (backend) => {
    let place: Place;
    let tool: CustomTool;

    beforeAll(async () => {
      place = await openPlace(backend);
      await mkdir(join(place.workspace, ".lmagent"));
      await writeFile(join(place.workspace, "notes.txt"), "in the workspace");
      tool = openTool(
        `import fs from "node:fs"; import net from "node:net"; import { execSync } from "node:child_process";
         const AsyncFunction = (async () => {}).constructor;
         export default ({ what }) => new AsyncFunction("fs", "net", "execSync", what)(fs, net, execSync);`,
        place.sandbox,
      );
    });
    afterAll(async () => {
      await tool[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    });

    it("let it read and change the workspace", async () => {
      const what =
        'fs.appendFileSync("notes.txt", "!"); return fs.readFileSync("/workspace/notes.txt", "utf8")';
      expect(await callTool(tool, { what })).toMatchObject({ ok: true, output: "in the workspace!" });
    });

    const outside = JSON.stringify(import.meta.filename);
    it.each([
      ["other files", `return fs.readFileSync(${outside}, "utf8")`, /ENOENT/],
      ["other files through a program", `execSync("cat " + ${outside}, { stdio: "pipe" })`, /Command failed/],
      [
        "other files by a way around the language",
        `return (() => {}).constructor("return process")().getBuiltinModule("fs").readFileSync(${outside}, "utf8")`,
        /ENOENT/,
      ],
      ["the agent", `process.kill(${process.pid}, 0)`, /ESRCH|EPERM/],
      ["the agent's own state", 'fs.writeFileSync(".lmagent/tools", "x")', /EROFS|EACCES/],
      ["the system", 'fs.writeFileSync("/usr/bin/x", "x")', /EROFS|EACCES/],
      [
        "other machines",
        'await new Promise((done, fail) => net.connect(53, "1.1.1.1", done).on("error", fail))',
        /ENETUNREACH|EACCES|ECONNREFUSED/,
      ],
    ])("keep it from %s", async (_what, what, error) => {
      expect(await callTool(tool, { what })).toMatchObject({
        ok: false,
        error: expect.stringMatching(error) as string,
      });
    });
  },
);

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, durationMs);
  });
}

it("says with each call which text would run", async () => {
  await using place = await openPlace("process");
  const versionOf = async (text: string): Promise<string | undefined> => {
    await using tool = openTool(text, place.sandbox);
    return (await tool.preview({ what: "x" })).version;
  };
  const one = await versionOf("export default () => 1;");
  expect(one).toMatch(/^[0-9a-f]{64}$/);
  expect(await versionOf("export default () => 1;")).toBe(one);
  expect(await versionOf("export default () => 2;")).not.toBe(one);
});
