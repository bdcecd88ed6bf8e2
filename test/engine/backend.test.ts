import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chooseBackend } from "../../src/engine/backend.ts";
import type { BackendChoice, ChooseBackendOptions } from "../../src/engine/backend.ts";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import type { ModelEntry } from "../../src/engine/catalog/catalog.ts";
import { engineFailed } from "../../src/engine/engine-failure.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createFallbackEngine } from "../../src/engine/fallback-engine.ts";
import { planLoad } from "../../src/engine/plan/model-file.ts";
import type { LoadOptions, ModelFacts } from "../../src/engine/protocol.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { findTestLlamaImage } from "./_llama-image.ts";
import { findTestLlamaServer } from "./_llama-server.ts";

const docker = findTestLlamaImage();
const server = findTestLlamaServer();
const path = typeof server === "string" ? "" : server.path;
const signal = new AbortController().signal;

let folder = "";
let plan: LoadOptions;
let entry: ModelEntry;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-backend-"));
  plan = await planLoad({ modelPath: PRACTICE_MODEL, threads: 1 });
  entry = await toFileEntry(PRACTICE_MODEL);
});
afterAll(() => rm(folder, { recursive: true }));

/** An engine whose load is decided by `load`; it answers nothing else. */
function fakeEngine(backend: Engine["backend"], load: () => Promise<void> = async () => {}): Engine {
  const facts = async (): Promise<ModelFacts> => {
    await load();
    return { contextTokens: 1 } as ModelFacts;
  };
  return {
    backend,
    pid: undefined,
    start: () => {},
    facts,
    slots: async () => [],
    async *generate() {},
    tokenize: async () => [1],
    detokenize: async () => "",
    embed: async () => ({ vectors: [], promptTokens: 0 }),
    [Symbol.asyncDispose]: async () => {},
  };
}

async function choose(
  options: Partial<ChooseBackendOptions>,
): Promise<{ choice: BackendChoice; lines: string[] }> {
  const lines: string[] = [];
  const choice = await chooseBackend({
    createEmbedded: () => fakeEngine("embedded"),
    log: (line) => lines.push(line),
    ...options,
  });
  return { choice, lines };
}

describe("where models run", () => {
  it("is what works first, and one line says why it is not what was wanted", async () => {
    const { choice, lines } = await choose({ host: { searchPath: folder, environment: {} } });
    expect(choice.backends).toEqual(["embedded"]);
    expect(lines).toEqual([
      "models run in the embedded runtime: not in Docker, because there is no Docker engine; " +
        "not in llama-server on this machine, because no `llama-server` in PATH",
    ]);
    expect(choice.createEngine(plan, entry).backend).toBe("embedded");
  });

  it("is no other engine than one of this machine", async () => {
    const socketPath = (): string => {
      throw new Error("`DOCKER_HOST` is `tcp://far:1`.");
    };
    const { choice, lines } = await choose({
      docker: { socketPath, modelsFolder: folder },
      order: ["docker"],
    });
    expect(choice.backends).toEqual(["embedded"]);
    expect(lines).toEqual([
      "models run in the embedded runtime: not in Docker, because `DOCKER_HOST` is `tcp://far:1`",
    ]);
  });

  it("is said by nobody when it is what was asked for", async () => {
    const { choice, lines } = await choose({ order: ["embedded"] });
    expect([choice.backends, lines]).toEqual([["embedded"], []]);
  });

  it("is never nowhere", async () => {
    const { choice, lines } = await choose({
      order: ["docker", "host"],
      docker: { socketPath: "/nowhere/docker.sock", modelsFolder: folder },
      host: { configured: "/nowhere/llama-server", environment: {} },
    });
    expect(choice.backends).toEqual(["embedded"]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("`/nowhere/docker.sock` is not there");
    expect(lines[0]).toContain("`/nowhere/llama-server` is no program");
  });

  it("is a place that can see for a model with a projector, whatever the order", async () => {
    const program = join(folder, "llama-server");
    await writeFile(program, "#!/bin/sh\nexit 3\n", { mode: 0o755 });
    const { choice, lines } = await choose({
      order: ["embedded", "host"],
      host: { configured: program, environment: {} },
    });
    expect(choice.createEngine(plan, entry).backend).toBe("embedded");
    const seeing = choice.createEngine({ ...plan, projectorPath: "/p.gguf" }, entry);
    expect(seeing.backend).toBe("host");
    await seeing.facts();
    expect(seeing.backend).toBe("embedded");
    expect(lines).toEqual([expect.stringContaining("ended with code 3")]);
    expect(lines[0]).toMatch(/^lmagent-practice runs in the embedded runtime: not in llama-server/);
  });

  it.runIf(typeof docker !== "string")(
    "is not Docker without the image, which the line tells how to get",
    async () => {
      const { socketPath } = docker as { socketPath: string };
      const { choice, lines } = await choose({
        docker: { socketPath, modelsFolder: folder, image: "example.invalid/llama:none" },
      });
      expect(choice.backends).toEqual(["embedded"]);
      expect(lines[0]).toContain("`docker pull example.invalid/llama:none` fetches it");
    },
  );

  it.runIf(typeof docker !== "string" && path !== "")(
    "is Docker, then the program, as each works",
    async () => {
      const { socketPath, image } = docker as { socketPath: string; image: string };
      const prefix = `lmtest-choice-${process.pid}`;
      const { choice, lines } = await choose({
        docker: { socketPath, image, prefix, modelsFolder: folder },
        host: { configured: path, environment: {} },
      });
      await using _ = choice;
      expect([choice.backends, lines]).toEqual([["docker", "host", "embedded"], []]);
      const engine = choice.createEngine(plan, entry);
      expect((await engine.facts()).contextTokens).toBe(plan.contextTokens);
      expect(engine.backend).toBe("docker");
      expect(await engine.tokenize("Hi", { special: true, begin: true })).not.toEqual([]);
      await engine[Symbol.asyncDispose]();

      // A container with less memory than any program needs cannot be made.
      const { choice: small, lines: said } = await choose({
        docker: { socketPath, image, prefix, modelsFolder: folder, profile: { memoryBytes: 1024 } },
        host: { configured: path, environment: {} },
      });
      await using __ = small;
      const other = small.createEngine(plan, entry);
      expect((await other.facts()).slots).toBe(2);
      expect(other.backend).toBe("host");
      expect(said).toEqual([
        expect.stringMatching(
          /^lmagent-practice runs in llama-server on this machine: not in Docker, because /,
        ),
        expect.stringMatching(/loaded .* \(host\)$/),
      ]);
      await other[Symbol.asyncDispose]();
    },
  );
});

describe("an engine with others behind it", () => {
  const failing = async (): Promise<void> => {
    throw engineFailed("load_failed", "broken");
  };

  it("throws what the last one throws, and tries all again with the next request", async () => {
    const tried: string[] = [];
    const engine = createFallbackEngine({
      candidates: (["docker", "host"] as const).map((backend) => ({
        backend,
        create: () => {
          tried.push(backend);
          return fakeEngine(backend, failing);
        },
      })),
      onFallback: () => {},
    });
    await expect(engine.facts()).rejects.toThrow("broken");
    await expect(engine.slots()).rejects.toThrow("broken");
    expect(tried).toEqual(["docker", "host", "docker", "host"]);
  });

  it("goes on with the next one when the first cannot be started again", async () => {
    let works = true;
    const engine = createFallbackEngine({
      candidates: [
        {
          backend: "docker",
          create: () => fakeEngine("docker", async () => (works ? undefined : failing())),
        },
        { backend: "embedded", create: () => fakeEngine("embedded") },
      ],
      onFallback: () => {},
    });
    await engine.facts();
    expect(engine.backend).toBe("docker");
    works = false;
    const all = await Promise.all([1, 2].map(() => engine.tokenize("a", { special: true, begin: true })));
    expect(all).toEqual([[1], [1]]);
    expect(engine.backend).toBe("embedded");
  });

  it("serves nobody after its end", async () => {
    const candidates = [{ backend: "embedded" as const, create: () => fakeEngine("embedded") }];
    const engine = createFallbackEngine({ candidates, onFallback: () => {} });
    await engine[Symbol.asyncDispose]();
    await expect(engine.facts()).rejects.toMatchObject({ data: { reason: "unloaded" } });
    await expect(engine.embed({ inputs: [] }, { signal })).rejects.toMatchObject({ code: "engine_failed" });
  });
});
