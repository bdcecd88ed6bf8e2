import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runFilePath } from "../../src/engine/acquire/run-file.ts";
import { bundleEntries, PRACTICE_MODEL } from "../engine/_bundle.ts";
import {
  chat,
  createTestHome,
  defineTool,
  engineChildOf,
  hasEnded,
  isAlive,
  toChunks,
  TOOLS,
  waitFor,
} from "./_agent.ts";
import type { Json, TestHome } from "./_agent.ts";

let home: TestHome;
/** In a folder from which no package can be found. */
let bare: string;
let bundled: Awaited<ReturnType<typeof bundleEntries>>;

beforeAll(async () => {
  bare = await mkdtemp(join(tmpdir(), "lmagent-bare-"));
  bundled = await bundleEntries(bare);
});

afterAll(() => rm(bare, { recursive: true, force: true }));

beforeEach(async () => {
  home = await createTestHome();
});

afterEach(() => home.close());

const CREATE = {
  messages: [{ role: "user", content: "create a file a.txt with the text hi" }],
  tools: TOOLS,
};

const countTimers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;

async function runFiles(): Promise<string[]> {
  return readdir(join(home.home, "run"));
}

describe("the server of a user", () => {
  test("is shared by two agents, and ends with the last one, its engine too", async () => {
    const first = await home.acquire();
    const second = await home.acquire();
    expect([first.started, second.started, second.pid === first.pid]).toEqual([true, false, true]);
    expect((await chat(first, CREATE)).status).toBe(200);
    const child = await engineChildOf(first.pid);
    first.release();
    expect(await hasEnded(first.pid, 600)).toBe(false);
    expect((await chat(second, CREATE)).status).toBe(200);
    second.release();
    expect(await hasEnded(first.pid, 5_000)).toBe(true);
    expect(await hasEnded(child, 5_000)).toBe(true);
    expect(await runFiles()).toEqual([]);
  });

  test("is started once when agents come at the same time", async () => {
    const engines = await Promise.all([home.acquire(), home.acquire(), home.acquire()]);
    expect(new Set(engines.map(({ pid }) => pid)).size).toBe(1);
    expect(engines.filter(({ started }) => started)).toHaveLength(1);
  });

  test("is another one for another version of the package", async () => {
    const [old, current] = [
      await home.acquire({ version: "1.0.0" }),
      await home.acquire({ version: "1.0.1" }),
    ];
    expect(old.pid).not.toBe(current.pid);
  });

  test("is replaced when it was killed and left its file behind", async () => {
    const first = await home.acquire();
    process.kill(first.pid, "SIGKILL");
    await hasEnded(first.pid, 10_000);
    expect(await runFiles()).toHaveLength(1);
    const second = await home.acquire();
    expect([second.started, second.pid === first.pid]).toEqual([true, false]);
    expect((await chat(second, CREATE)).status).toBe(200);
  });

  test("is not mistaken for another server on the same port", async () => {
    const other = await home.acquire({ version: "0.0.9" });
    const port = Number(new URL(other.baseUrl).port);
    const stale = {
      port,
      pid: other.pid,
      apiKey: "old key",
      modelPath: PRACTICE_MODEL,
      modelId: "x",
      version: "1.2.3",
    };
    await writeFile(runFilePath(home.home, stale), JSON.stringify(stale));
    const engine = await home.acquire();
    expect([engine.started, engine.pid === other.pid]).toEqual([true, false]);
  });

  test("ends when its agent is killed", async () => {
    const { home: folder, entries } = home;
    const options = {
      home: folder,
      entries,
      version: "1.2.3",
      modelPath: PRACTICE_MODEL,
      graceMs: 100,
      env: {},
    };
    const script = `
      const { acquireEngine } = await import(process.argv[1]);
      const engine = await acquireEngine(JSON.parse(process.argv[2]));
      console.log(engine.pid);
      setInterval(() => {}, 1000);`;
    const agent = spawn(
      process.execPath,
      ["--input-type=module", "-e", script, bundled.door, JSON.stringify(options)],
      {
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    const pid = await new Promise<number>((resolve, reject) => {
      agent.stdout.on("data", (text: Buffer) => resolve(Number(text.toString())));
      agent.once("exit", () => reject(new Error("the agent ended")));
    });
    expect(isAlive(pid)).toBe(true);
    agent.kill("SIGKILL");
    expect(await hasEnded(pid, 5_000)).toBe(true);
  });

  test("writes its log for the owner alone", async () => {
    const engine = await home.acquire();
    await chat(engine, CREATE);
    const log = await readFile(join(home.home, "logs", "engine.log"), "utf8");
    expect(log).toContain("practice.gguf");
    expect(log).not.toContain(engine.apiKey);
  });
});

describe("a dying engine", () => {
  test("gives requests in flight an error, and is back with the next one", async () => {
    const engine = await home.acquire();
    const keys = Array.from({ length: 60 }, (_, at) => `field_number_${at}`);
    const tools = [
      defineTool("fill", Object.fromEntries(keys.map((key) => [key, { enum: ["a".repeat(40)] }]))),
    ];
    await chat(engine, { ...CREATE, max_tokens: 1 });
    const child = await engineChildOf(engine.pid);
    const { text } = await chat(
      engine,
      { ...CREATE, tools, tool_choice: "required", stream: true },
      { onText: (piece) => piece.includes("arguments") && isAlive(child) && process.kill(child, "SIGKILL") },
    );
    expect(toChunks(text).at(-1)?.error).toMatchObject({ code: "engine_crashed", type: "server_error" });
    const next = await chat(engine, CREATE);
    expect(next.status, next.text).toBe(200);
    expect(await engineChildOf(engine.pid)).not.toBe(child);
  });

  test("that died while it loaded is started again for the next request", async () => {
    const engine = await home.acquire();
    const child = await engineChildOf(engine.pid);
    process.kill(child, "SIGKILL");
    expect(await waitFor(async () => (await engineChildOf(engine.pid)) !== child, 10_000)).toBe(true);
    const answer = await chat(engine, CREATE);
    expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  });
});

describe("a start that is given up", () => {
  test("before it began starts nothing", async () => {
    const signal = AbortSignal.abort(new Error("never mind"));
    await expect(home.acquire({ signal })).rejects.toThrow("never mind");
    expect(await readdir(home.home)).toEqual([]);
  });

  test("while the server is silent ends the server and frees the way for the next one", async () => {
    const pidFile = join(home.home, "pid");
    const server = join(home.home, "silent.mjs");
    await writeFile(
      server,
      `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => {}, 1000);`,
    );
    const abort = new AbortController();
    const asked = home.acquire({ signal: abort.signal, entries: { ...home.entries, server } });
    asked.catch(() => undefined);
    const readPid = async (): Promise<number> => Number(await readFile(pidFile, "utf8").catch(() => "0"));
    expect(await waitFor(async () => (await readPid()) > 0, 10_000)).toBe(true);
    const timers = countTimers();
    abort.abort(new Error("never mind"));
    await expect(asked).rejects.toThrow("never mind");
    expect(countTimers()).toBeLessThan(timers);
    expect(await hasEnded(await readPid(), 5_000)).toBe(true);
    expect(await runFiles()).toEqual([]);
    expect((await home.acquire()).started).toBe(true);
  });
});

describe("what cannot work", () => {
  test("a missing or foreign file is named before anything starts", async () => {
    await writeFile(join(home.home, "no.gguf"), "not a model");
    for (const name of ["missing.gguf", "no.gguf"]) {
      const asked = home.acquire({ modelPath: join(home.home, name) });
      await expect(asked).rejects.toMatchObject({
        code: "engine_failed",
        message: expect.stringContaining(name) as string,
      });
    }
  });

  test("a broken model file is named in the answer, and clients are told not to try again", async () => {
    const modelPath = join(home.home, "broken.gguf");
    const whole = await readFile(PRACTICE_MODEL);
    await writeFile(modelPath, whole.subarray(0, 60_000));
    const engine = await home.acquire({ modelPath });
    const { status, json, headers } = await chat(engine, CREATE);
    expect([status, (json["error"] as Json)["code"], headers["x-should-retry"]]).toEqual([
      400,
      "model_load_failed",
      "false",
    ]);
    expect((json["error"] as Json)["message"]).toContain("broken.gguf");
  });

  test("a runtime that is not installed is named with the command that installs it", async () => {
    const engine = await home.acquire({ entries: bundled });
    const { status, json } = await chat(engine, CREATE);
    expect(status).toBe(400);
    expect((json["error"] as Json)["message"]).toContain("npm install node-llama-cpp");
  });

  test("a home that cannot be written is named", async () => {
    const file = join(home.home, "file");
    await writeFile(file, "");
    await expect(home.acquire({ home: file })).rejects.toMatchObject({ code: "storage_failed" });
  });

  test("a server that does not start is reported with its log", async () => {
    const entries = { ...home.entries, server: join(home.home, "none.js") };
    await expect(home.acquire({ entries })).rejects.toMatchObject({
      code: "engine_failed",
      message: expect.stringContaining("engine.log") as string,
    });
  });
});
