import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { KNOWN_MODELS } from "../../src/engine/containers/index.ts";
import {
  CONSERVATIVE_PROFILE,
  resolveModel,
  toLabel,
  toModelName,
} from "../../src/engine/containers/models.ts";
import { toCreateOptions } from "../../src/engine/containers/specification.ts";
import type { ContainerPlan } from "../../src/engine/containers/specification.ts";
import type { LoadOptions } from "../../src/engine/protocol.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";

const LOAD: LoadOptions = {
  modelPath: "/models-here/a/b.gguf",
  contextTokens: 4096,
  shrinkToFit: false,
  slots: 2,
  threads: 3,
  gpu: "auto",
  gpuLayers: 20,
  sliceTokens: 256,
};

function plan(changes: Partial<ContainerPlan> = {}, load: LoadOptions = LOAD): ContainerPlan {
  const draft = load.speculation?.type === "draft" ? load.speculation.modelPath : undefined;
  const files = [load.modelPath, load.projectorPath, draft].flatMap((path) =>
    path === undefined ? [] : [{ path, real: `${path}-real`, isInFolder: path.startsWith("/models-here/") }],
  );
  return {
    model: { name: "b", path: load.modelPath, load, profile: CONSERVATIVE_PROFILE, files },
    image: { name: "i", id: `sha256:${"0".repeat(64)}`, hasEntrypoint: true },
    facts: { nvidia: undefined, hasBridge: true, rootless: false },
    modelsFolder: "/models-here",
    network: "bridge",
    port: 8080,
    apiKey: "secret",
    useGpu: false,
    user: { uid: 1000, gid: 100 },
    ...changes,
  };
}

describe("what a container is made of", () => {
  it("is published on this machine's loopback interface alone", () => {
    const { HostConfig, Cmd, ExposedPorts } = toCreateOptions(plan({ port: 8081 }));
    expect(HostConfig?.NetworkMode).toBe("bridge");
    expect(HostConfig?.PortBindings).toEqual({ "8080/tcp": [{ HostIp: "127.0.0.1", HostPort: "8081" }] });
    expect(ExposedPorts).toEqual({ "8080/tcp": {} });
    expect(Cmd?.join(" ")).toContain("--host 0.0.0.0 --port 8080");
  });

  it("listens on the loopback interface itself where it has no network of its own", () => {
    const { HostConfig, Cmd } = toCreateOptions(plan({ network: "host", port: 8081 }));
    expect(HostConfig?.PortBindings).toBeUndefined();
    expect(Cmd?.join(" ")).toContain("--host 127.0.0.1 --port 8081");
  });

  it("gets NVIDIA's GPUs by the runtime or by CDI, and only where they are wanted", () => {
    const nvidia = (kind: "runtime" | "cdi", useGpu = true): unknown =>
      toCreateOptions(plan({ useGpu, facts: { nvidia: kind, hasBridge: true, rootless: false } })).HostConfig;
    expect(nvidia("runtime")).toMatchObject({ Runtime: "nvidia" });
    expect(nvidia("cdi")).toMatchObject({ DeviceRequests: [{ DeviceIDs: ["nvidia.com/gpu=all"] }] });
    expect(nvidia("runtime", false)).not.toHaveProperty("Runtime");
  });

  it("keeps the key out of its arguments", () => {
    const { Cmd, Env } = toCreateOptions(plan());
    expect(Cmd?.join(" ")).not.toContain("secret");
    expect(Env).toContain("LLAMA_API_KEY=secret");
  });

  it("names the program where the image does not", () => {
    const image = { name: "i", id: "0", hasEntrypoint: false };
    expect(toCreateOptions(plan({ image })).Cmd?.[0]).toBe("llama-server");
    expect(toCreateOptions(plan()).Cmd?.[0]).toBe("--model");
  });

  it("is our root where the engine has none", () => {
    const facts = { nvidia: undefined, hasBridge: true, rootless: true };
    expect([toCreateOptions(plan()).User, toCreateOptions(plan({ facts })).User]).toEqual([
      "1000:100",
      "0:0",
    ]);
  });

  it("sees the models' folder and files beside it, and cannot write to them", () => {
    const speculation = { type: "draft", modelPath: "/elsewhere/draft.gguf" } as const;
    const load = { ...LOAD, speculation, projectorPath: "/models-here/a/mmproj.gguf" };
    const { Cmd, HostConfig } = toCreateOptions(plan({}, load));
    expect(Cmd?.join(" ")).toContain("--model /models/a/b.gguf");
    expect(Cmd?.join(" ")).toContain("--mmproj /models/a/mmproj.gguf");
    expect(Cmd?.join(" ")).toContain("--model-draft /models-1/draft.gguf");
    expect(HostConfig?.Mounts).toEqual([
      { Type: "bind", Source: "/models-here", Target: "/models", ReadOnly: true },
      { Type: "bind", Source: "/elsewhere/draft.gguf-real", Target: "/models-1/draft.gguf", ReadOnly: true },
    ]);
  });

  it("does not show the models' folder to a model that lies elsewhere", () => {
    const load = { ...LOAD, modelPath: "/elsewhere/c.gguf" };
    const { HostConfig } = toCreateOptions(plan({}, load));
    expect(HostConfig?.Mounts?.map(({ Source }) => Source)).toEqual(["/elsewhere/c.gguf-real"]);
  });
});

describe("which model is meant", () => {
  it("known ones have their names and ports", () => {
    expect(Object.entries(KNOWN_MODELS).map(([name, { port }]) => [name, port])).toEqual([
      ["llama", 8080],
      ["phi-3", 8081],
      ["gemma", 8082],
    ]);
    expect(toModelName("phi-3")).toBe("phi3");
    expect(toModelName("constructor")).toBe("constructor");
  });

  it("a plan decides where there is one, and what is given goes over it", async () => {
    const asked = { name: "p", path: PRACTICE_MODEL };
    const planned = await resolveModel({ ...asked, load: LOAD }, { modelsFolder: "/" });
    expect(planned.load).toMatchObject({ contextTokens: 4096, slots: 2, threads: 3, gpuLayers: 20 });
    expect(planned.profile.memoryBytes).toBeUndefined();
    const smaller = { contextTokens: 1024, gpuLayers: 3, memoryBytes: 5e9 };
    const changed = await resolveModel({ ...asked, load: LOAD, profile: smaller }, { modelsFolder: "/" });
    expect(changed.load).toMatchObject({ contextTokens: 1024, gpuLayers: 3, slots: 2 });
    expect(changed.profile.memoryBytes).toBe(5e9);
    const bare = await resolveModel(asked, { modelsFolder: "/" });
    expect(bare.profile).toEqual(CONSERVATIVE_PROFILE);
    expect(bare.load).toMatchObject({ contextTokens: 512, gpuLayers: 8, sliceTokens: 128, slots: 1 });
  });

  it("all parts of a model are found, and links are followed", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lmagent-parts-"));
    try {
      await mkdir(join(folder, "models"));
      await mkdir(join(folder, "blobs"));
      const part = (at: number): string => join(folder, "models", `m-0000${at}-of-00002.gguf`);
      for (const at of [1, 2]) {
        await writeFile(join(folder, "blobs", `b${at}`), "");
        await symlink(`../blobs/b${at}`, part(at));
      }
      const modelsFolder = join(folder, "models");
      const { files } = await resolveModel({ name: "m", path: part(1) }, { modelsFolder });
      const real = (at: number): string => join(folder, "blobs", `b${at}`);
      expect(files).toEqual([
        { path: part(1), real: real(1), isInFolder: false },
        { path: part(2), real: real(2), isInFolder: false },
      ]);
      await writeFile(join(modelsFolder, "plain.gguf"), "");
      const plain = await resolveModel("plain.gguf", { modelsFolder });
      expect(plain.files.map(({ isInFolder }) => isInFolder)).toEqual([true]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each([
    ["/x/Qwen3 8B_Q4.K_M.gguf", "qwen3-8b-q4.k-m"],
    ["../..", "model"],
    ["日本語.gguf", "model"],
    ["a".repeat(200), "a".repeat(60)],
  ])("the name %j can be part of a container's name: %j", (path, label) => {
    expect(toLabel(path)).toBe(label);
  });

  it.each(["", "-x", "a b", "a/b", "a;b"])("the name %j cannot", async (name) => {
    const asked = resolveModel({ name, path: PRACTICE_MODEL }, { modelsFolder: "/" });
    await expect(asked).rejects.toMatchObject({ data: { reason: "invalid_request" } });
  });
});
