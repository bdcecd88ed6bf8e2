import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AgentError } from "../../src/core/errors.ts";
import { ContainerManager, createContainerSource } from "../../src/engine/containers/index.ts";
import type { ContainerManagerOptions } from "../../src/engine/containers/index.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createLlamaServerEngine } from "../../src/engine/llama-server/index.ts";
import { planLoad } from "../../src/engine/plan/model-file.ts";
import { describeEngine } from "../../src/testing/index.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { startDockerProxy } from "../sandbox/_docker-proxy.ts";
import { askDocker, findTestLlamaImage, listContainers } from "./_llama-image.ts";

const found = findTestLlamaImage();
if (typeof found === "string") process.stderr.write(`Models in Docker are not tested: ${found}\n`);
const { socketPath, image } = typeof found === "string" ? { socketPath: "", image: "" } : found;
const isThere = image !== "";
const never = new AbortController().signal;

it.runIf(!isThere)("Docker and the image are there, or missed out loud", ({ skip }) => {
  skip(process.env["CI"] !== "true", "there is no engine for tests");
  expect(found).toBeTypeOf("object");
});

const prefix = `lmtest-${process.pid}`;
const managers: ContainerManager[] = [];
const lines: string[] = [];
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-models-"));
  await mkdir(join(folder, "llama3.2"));
  await copyFile(PRACTICE_MODEL, join(folder, "llama3.2/Llama-3.2-3B-Instruct-Q4_K_M.gguf"));
  await mkdir(join(folder, "other"));
  await copyFile(PRACTICE_MODEL, join(folder, "other/llama.gguf"));
  await writeFile(join(folder, "broken.gguf"), `GGUF${"\0".repeat(200)}`);
});
afterAll(async () => {
  await Promise.all(managers.map((manager) => manager[Symbol.asyncDispose]()));
  await rm(folder, { recursive: true });
  if (isThere && (await listContainers(prefix, socketPath)).length > 0)
    throw new Error("containers are left");
});

function open(options: Partial<ContainerManagerOptions> = {}): ContainerManager {
  const log = (line: string): void => void lines.push(line);
  const manager = new ContainerManager({ socketPath, modelsFolder: folder, image, prefix, log, ...options });
  managers.push(manager);
  return manager;
}

async function failureOf(work: Promise<unknown>): Promise<AgentError> {
  return (await work.then(
    () => expect.unreachable(),
    (thrown: unknown) => thrown,
  )) as AgentError;
}

interface Inspected {
  Config: { Env: string[]; Cmd: string[]; Labels: Record<string, string>; User: string };
  HostConfig: Record<string, unknown>;
  Mounts: { RW: boolean; Destination: string; Source: string }[];
}

describe.runIf(isThere)("the container of a known model", () => {
  let manager: ContainerManager;
  beforeAll(() => {
    manager = open();
  });

  it("is started on its usual port, or on another one, which is said", async () => {
    expect(await manager.isContainerRunning("llama")).toBe(false);
    const [port, again] = await Promise.all([
      manager.startModelContainer("llama"),
      manager.startModelContainer("llama"),
    ]);
    expect(again).toBe(port);
    if (port !== 8080) expect(lines).toContain(`the port 8080 is taken; the container gets ${port}`);
    expect(await manager.isContainerRunning("llama")).toBe(true);
    expect(await listContainers(prefix, socketPath)).toEqual([`${prefix}-llama-server`]);
  });

  it("answers those who have its key, on this machine only", async () => {
    const container = await manager.openModelContainer("llama");
    const ask = (key: string): Promise<Response> =>
      fetch(`${container.baseUrl}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}` },
        body: JSON.stringify({ messages: [{ role: "user", content: "Hi" }], max_tokens: 3 }),
      });
    expect((await ask(container.apiKey)).status).toBe(200);
    expect((await ask("another")).status).toBe(401);
    expect(container.baseUrl).toBe(`http://127.0.0.1:${container.port}`);
  });

  it("has the conservative profile, nothing it could harm, and its owner's name", async () => {
    const { id } = await manager.openModelContainer("llama");
    const { Config, HostConfig, Mounts } = (await askDocker(
      `/containers/${id}/json`,
      socketPath,
    )) as Inspected;
    const command = Config.Cmd.join(" ");
    expect(command).toContain("--n-gpu-layers 8");
    expect(command).toContain("--ctx-size 512");
    expect(command).toContain("--batch-size 128");
    expect(command).toContain("--model /models/llama3.2/Llama-3.2-3B-Instruct-Q4_K_M.gguf");
    expect(command).not.toMatch(/--host 0\.0\.0\.0 .*--network host/);
    expect(HostConfig).toMatchObject({
      Memory: 2 ** 31,
      ShmSize: 2 ** 31,
      AutoRemove: true,
      Init: true,
      Privileged: false,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
    });
    expect(Mounts.filter(({ Destination }) => Destination.startsWith("/models"))).toEqual([
      expect.objectContaining({ Source: folder, Destination: "/models", RW: false }),
    ]);
    expect(JSON.parse(Config.Labels["lmagent.model-owner"] ?? "")).toContain(process.pid);
  });

  it("of another manager gets a name and a port of its own, which is said", async () => {
    const other = open();
    const port = await other.startModelContainer("llama");
    expect(port).not.toBe(await manager.startModelContainer("llama"));
    expect(lines.join("\n")).toContain(`this one is called \`${prefix}-llama-server-2\``);
    expect(await other.stopModelContainer("llama")).toBe(true);
    expect(await other.stopModelContainer("llama")).toBe(false);
    expect(await listContainers(prefix, socketPath)).toEqual([`${prefix}-llama-server`]);
  });

  it("is not that of another file of this name", async () => {
    const other = join(folder, "other/llama.gguf");
    expect(await manager.isContainerRunning("other/llama.gguf")).toBe(false);
    const { port, name } = await manager.openModelContainer({ name: "llama", path: other });
    expect(name).toBe(`${prefix}-llama-server-2`);
    expect(port).not.toBe(await manager.startModelContainer("llama"));
    expect(await manager.startModelContainer(other)).toBe(port);
    expect(await manager.stopModelContainer("other/llama.gguf")).toBe(true);
    expect(await manager.isContainerRunning("llama")).toBe(true);
    expect(await manager.isContainerRunning(other)).toBe(false);
  });

  it("that is just being stopped is not taken for one that runs", async () => {
    const before = await manager.openModelContainer("llama");
    const stopping = before.stop();
    const after = await manager.openModelContainer("llama");
    await stopping;
    expect(after.id).not.toBe(before.id);
    expect(await manager.isContainerRunning("llama")).toBe(true);
  });

  it("is gone when all are stopped, and can be started again", async () => {
    await manager.stopAllContainers();
    expect(await manager.isContainerRunning("llama")).toBe(false);
    expect(await listContainers(prefix, socketPath)).toEqual([]);
    await manager.startModelContainer("llama");
    await manager.stopAllContainers();
  });
});

describe.runIf(isThere)("a container", () => {
  it("gets the port that was asked for, or none", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    const manager = open();
    const model = { name: "wished", path: PRACTICE_MODEL };
    const failure = await failureOf(manager.startModelContainer({ ...model, port }));
    expect(failure.message).toContain(`The port ${port} is taken`);
    const elsewhere = await manager.startModelContainer({ ...model, usualPort: port });
    expect(elsewhere).not.toBe(port);
    expect(lines).toContain(`the port ${port} is taken; the container gets ${elsewhere}`);
    await manager.stopAllContainers();
    taken.close();
    await once(taken, "close");
    expect(await manager.startModelContainer({ ...model, port })).toBe(port);
    await manager.stopAllContainers();
  });

  it("that cannot load its model leaves the end of its log and nothing else", async () => {
    const failure = await failureOf(open().startModelContainer("broken.gguf"));
    expect([failure.code, failure.data["reason"]]).toEqual(["engine_failed", "load_failed"]);
    expect(failure.message).toMatch(/broken\.gguf[^]*The end of its log:\n[^]*failed to load model/);
    expect(await listContainers(`${prefix}-broken`, socketPath)).toEqual([]);
  });

  it("is not made of an image that is not there, and none is fetched", async () => {
    const missing = open({ image: "example.invalid/llama:none" });
    const failure = await failureOf(missing.startModelContainer("llama"));
    expect(failure.message).toContain("`docker pull example.invalid/llama:none`");
    expect((await missing.findObstacle())?.message).toBe(failure.message);
    expect(await open().findObstacle()).toBeUndefined();
  });

  it("goes on while Docker itself hangs", async () => {
    await using proxy = await startDockerProxy(socketPath);
    const log = (line: string): void => void lines.push(line);
    const manager = new ContainerManager({
      socketPath: proxy.socketPath,
      modelsFolder: folder,
      image,
      prefix,
      log,
    });
    const { id, baseUrl, ended } = await manager.openModelContainer("llama");
    try {
      let why: string | undefined;
      void ended.then((text) => (why = text));
      proxy.freeze();
      expect((await failureOf(manager.isContainerRunning("llama"))).message).toContain(
        "did not answer within",
      );
      expect((await fetch(`${baseUrl}/health`)).status).toBe(200);
      expect(why).toBeUndefined();
    } finally {
      await askDocker(`/containers/${id}?force=1`, socketPath, "DELETE");
    }
  });

  it("that is stopped while it starts is gone as well", async () => {
    const manager = open();
    const abort = new AbortController();
    const starting = manager.startModelContainer("llama", { signal: abort.signal });
    const failure = failureOf(starting);
    for (const end = Date.now() + 10_000; Date.now() < end; await pause(10))
      if ((await listContainers(prefix, socketPath)).length > 0) break;
    abort.abort(new Error("not wanted any more"));
    expect((await failure).message).toBe("not wanted any more");
    expect(await listContainers(prefix, socketPath)).toEqual([]);
    const disposed = failureOf(manager.startModelContainer("llama"));
    await manager[Symbol.asyncDispose]();
    expect((await disposed).data["reason"]).toBe("unloaded");
    expect(await listContainers(prefix, socketPath)).toEqual([]);
  });
});

describe.runIf(isThere).concurrent("a container whose owner ends", () => {
  it.for(["killed", "exit", "SIGTERM"])("is not left behind: %s", async (end, { expect }) => {
    const entry = join(import.meta.dirname, "_container-owner.ts");
    const own = `${prefix}-${end.toLowerCase()}`;
    const started = ["--import", "tsx", entry, socketPath, image, own, PRACTICE_MODEL, end];
    const owner = spawn(process.execPath, started, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(owner, "exit");
    await once(owner.stdout, "data");
    if (end === "killed") {
      expect(await listContainers(own, socketPath)).toHaveLength(1);
      owner.kill("SIGKILL");
    } else if (end === "SIGTERM") owner.kill("SIGTERM");
    await ended;
    if (end === "killed") await open().reapLeftovers();
    expect(await listContainers(own, socketPath)).toEqual([]);
  });
});

describe("without what it needs", () => {
  it("a model that is not there is named", async () => {
    const manager = open({ socketPath: "/nowhere/docker.sock" });
    const failure = await failureOf(manager.startModelContainer("gemma"));
    expect(failure.data["reason"]).toBe("model_not_found");
    expect(failure.message).toContain(join(folder, "gemma2b"));
    expect((await failureOf(manager.startModelContainer("mistral"))).message).toContain(
      "`llama`, `phi-3`, `gemma`",
    );
    expect(await manager.isContainerRunning("gemma")).toBe(false);
  });

  it("an engine that is not there is named", async () => {
    const manager = open({ socketPath: "/nowhere/docker.sock" });
    const failure = await failureOf(manager.startModelContainer("llama"));
    expect(failure.message).toContain("`/nowhere/docker.sock` is not there");
  });
});

async function openEngine(): Promise<Engine> {
  const load = await planLoad({ modelPath: PRACTICE_MODEL, threads: 1 });
  const source = createContainerSource({ manager: open(), load, name: "Practice (Q8)" });
  return createLlamaServerEngine({ source, load, log: (line) => lines.push(line) });
}

let shared: Promise<Engine> | undefined;
afterAll(async () => (await shared)?.[Symbol.asyncDispose]());
if (isThere) describeEngine("in Docker", () => (shared ??= openEngine()), { describe, it });

describe.runIf(isThere)("the engine in Docker", () => {
  it("is started again when its container was killed", async () => {
    const engine = await (shared ??= openEngine());
    await engine.facts();
    expect(engine.backend).toBe("docker");
    // Not Docker's own first process, whose memory is nobody's concern.
    expect(await readFile(`/proc/${engine.pid}/cmdline`, "utf8")).toMatch(
      /^[^\0]*llama-server\0--model\0[^\0]*practice\.gguf/,
    );
    const sampling = { temperature: 0, topP: 1, topK: 1, minP: 0, ignoreEnd: true };
    const events = engine.generate({ prompt: "Hi", sampling, stop: [] }, { signal: never });
    await events.next();
    await events.next();
    const [name = ""] = await listContainers(`${prefix}-practice-q8-server`, socketPath);
    await askDocker(`/containers/${name}/kill`, socketPath, "POST");
    const failure = await failureOf(
      (async () => {
        for await (const _ of events);
      })(),
    );
    expect(failure.data["reason"]).toBe("crashed");
    expect(await engine.tokenize("Hi", { special: true, begin: true })).not.toEqual([]);
    expect(lines.join("\n")).toContain("container has ended");
  });
});
