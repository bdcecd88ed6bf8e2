import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { link, mkdir, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  estimateModel,
  importModel,
  listModels,
  removeModel,
  showModel,
} from "../../src/cli/commands/models.ts";
import type { ListFlags } from "../../src/cli/commands/models/list.ts";
import { adviseForGpu } from "../../src/cli/commands/models/advice.ts";
import type { MachineFacts } from "../../src/engine/plan/machine.ts";
import { toModelSpec, writeGguf } from "../engine/_gguf.ts";
import type { Measures, MetaValue } from "../engine/_gguf.ts";
import { PRACTICE } from "../engine/_practice.ts";
import { createCommandPlace, runCommand, type CommandPlace } from "./_command.ts";

const GIB = 2 ** 30;
const SMALL: Measures = {
  layers: 2,
  embedding: 64,
  feedForward: 64,
  heads: 4,
  kvHeads: 2,
  vocabulary: 100,
  context: 4096,
};

let place: CommandPlace;
beforeEach(() => {
  place = createCommandPlace();
  for (const name of ["OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"])
    vi.stubEnv(name, undefined);
});
afterEach(() => place[Symbol.dispose]());

async function addModel(
  path: string,
  { metadata = {}, ...measures }: Partial<Measures> & { metadata?: Record<string, MetaValue> } = {},
): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeGguf(path, toModelSpec({ ...SMALL, ...measures, metadata }));
  return path;
}

const ours = (path: string): string => join(place.home, "models", path);
const machineOf =
  (gib: number, gpuGib?: number): (() => Promise<MachineFacts>) =>
  async () => ({
    totalBytes: gib * GIB,
    availableBytes: gib * GIB,
    cores: 4,
    gpus:
      gpuGib === undefined
        ? []
        : [{ vendor: "nvidia", name: "GPU", totalBytes: gpuGib * GIB, freeBytes: gpuGib * GIB }],
    unified: false,
  });

describe("lmagent models list", () => {
  it("shows every model, and what cannot be used", async () => {
    await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"));
    await mkdir(dirname(ours("Org/Bad/x")), { recursive: true });
    await writeFile(ours("Org/Bad/bad.gguf"), "<html>");
    const { code, stdout } = await runCommand(() => listModels({}));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^MODEL +PARAMS +QUANT +SIZE +CONTEXT +SOURCE +STATE\n/);
    const size = (PRACTICE.fileBytes / 1e6).toFixed(1).replace(".", "\\.");
    const context = PRACTICE.contextTokens.toLocaleString("en");
    expect(stdout).toMatch(
      new RegExp(`^lmagent-practice +[\\d.]+M +Q8_0 +${size} MB +${context} +built in +not-loaded$`, "m"),
    );
    expect(stdout).toMatch(/thing +62\.3K +Q8_0 +\S+ kB +4,096 +LMAgent +not-loaded\n/);
    expect(stdout).toMatch(/Cannot be used:\n {2}.*bad\.gguf.* no GGUF file/);
  });

  it("shows only what is asked for", async () => {
    const chat = await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"));
    await writeFile(ours("Org/Thing-GGUF/bad.gguf"), "<html>");
    const loaded = { id: "one", path: chat, state: "ready", contextTokens: 4096, slots: 1 };
    const rows = async (flags: ListFlags): Promise<string[]> => {
      const { stdout } = await runCommand(() => listModels(flags, async () => [loaded]));
      return stdout.split("\n").map((line) => line.split(" ")[0] ?? "");
    };
    expect(await rows({ loaded: true })).toEqual(["MODEL", "thing", ""]);
    expect(await rows({ llm: true })).toEqual(["MODEL", "lmagent-practice", "thing", ""]);
    expect(await rows({ embedding: true })).toEqual(["There", ""]);
  });

  it("lets no long or wide name move the other rows", async () => {
    await addModel(ours(`Org/${"x".repeat(150)}/x.gguf`));
    await addModel(ours("Org/模型/模.gguf"));
    const lines = (await runCommand(() => listModels({}))).stdout.split("\n");
    const long = lines.find((line) => line.startsWith("xxx"));
    expect(long).toMatch(/^x{150} /);
    const places = lines.filter((line) => line !== long && line !== "").map((line) => line.search(/[\w-]+$/));
    const [title, practice, wide] = places;
    expect(title).toBeLessThan(130);
    expect(practice).toBe(title);
    // Each of both letters takes two cells.
    expect(wide).toBe((title ?? 0) - 2);
  });

  it("tells the same as JSON, in LM Studio's words", async () => {
    await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"), { metadata: { "general.name": "A\u001b[31mB" } });
    const { stdout } = await runCommand(() => listModels({ json: true }));
    const { models, broken } = JSON.parse(stdout) as { models: Record<string, unknown>[]; broken: unknown[] };
    expect(broken).toEqual([]);
    expect(models.map(({ key }) => key)).toEqual(["lmagent-practice", "thing"]);
    expect(models[1]).toMatchObject({
      type: "llm",
      publisher: "Org",
      quantization: { name: "Q8_0" },
      max_context_length: 4096,
      loaded_instances: [],
      format: "gguf",
      source: "lmagent",
      state: "not-loaded",
    });
  });
});

describe("a loaded model", () => {
  it("is shown as such, and not deleted", async () => {
    const path = await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"));
    const loaded = async () => [{ id: "mine", path, state: "ready", contextTokens: 2048, slots: 2 }];
    expect((await runCommand(() => listModels({}, loaded))).stdout).toMatch(/thing .* loaded\n/);
    const { stdout } = await runCommand(() => listModels({ json: true }, loaded));
    const { models } = JSON.parse(stdout) as { models: object[] };
    expect(models[1]).toMatchObject({
      state: "loaded",
      loaded_instances: [{ id: "mine", config: { context_length: 2048, parallel: 2 } }],
    });
    await expect(removeModel("thing", { yes: true }, loaded)).rejects.toThrow("`lmagent unload mine`");
    expect(existsSync(path)).toBe(true);
  });
});

describe("lmagent models show", () => {
  it("says what the file says", async () => {
    const path = await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"), {
      architecture: "gemma3",
      layers: 6,
      metadata: { "gemma3.attention.sliding_window": 512, "tokenizer.chat_template": "{{ tools }}\u001b[2J" },
    });
    const { code, stdout } = await runCommand(() => showModel("thing", {}));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^model +thing\n/);
    expect(stdout).toContain(path);
    expect(stdout).toMatch(/architecture +gemma3\n/);
    expect(stdout).toMatch(/window +512 tokens in 5 of 6 layers\n/);
    expect(stdout).toMatch(/tools +its template knows them\n/);
    expect(stdout).not.toContain("\u001b");
    const json = JSON.parse((await runCommand(() => showModel("thing", { json: true }))).stdout) as object;
    expect(json).toMatchObject({
      key: "thing",
      details: { layers: 6 },
      metadata: { "gemma3.block_count": 6 },
    });
  });

  it("names what an unknown name may have meant", async () => {
    await addModel(ours("Org/Thing-7B-GGUF/x.gguf"));
    await expect(showModel("thing-8b", {})).rejects.toThrow("Did you mean `thing-7b`?");
    await expect(showModel("\u001b[2J", {})).rejects.toMatchObject({ data: { reason: "model_not_found" } });
  });

  it("takes a file by its path from the current folder", async () => {
    const path = await addModel(join(place.workspace, "some.gguf"));
    const before = process.cwd();
    process.chdir(place.workspace);
    try {
      expect((await runCommand(() => showModel("some.gguf", {}))).stdout).toContain(path);
    } finally {
      process.chdir(before);
    }
  });
});

describe("lmagent models rm", () => {
  it("deletes a model of our own folder with all that is its own", async () => {
    const path = await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"));
    await addModel(ours("Org/Thing-GGUF/mmproj-F16.gguf"), { metadata: { "general.architecture": "clip" } });
    const { code, stdout } = await runCommand(() => removeModel("thing", { yes: true }));
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^Removed thing \(/) as string,
    });
    expect(existsSync(path)).toBe(false);
    expect(existsSync(ours("Org"))).toBe(false);
    expect(existsSync(ours("."))).toBe(true);
  });

  it("leaves a projector to the model that still needs it", async () => {
    await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"));
    await addModel(ours("Org/Thing-GGUF/Thing-Q4_0.gguf"));
    const projector = await addModel(ours("Org/Thing-GGUF/mmproj-F16.gguf"), {
      metadata: { "general.architecture": "clip" },
    });
    await expect(removeModel("Org/Thing-GGUF", { yes: true })).rejects.toThrow(
      "can be `thing@q4_0`, `thing@q8_0`",
    );
    await runCommand(() => removeModel("thing@q8_0", { yes: true }));
    expect(existsSync(projector)).toBe(true);
  });

  it("touches nothing that is not ours", async () => {
    const theirs = await addModel(join(dirname(place.home), ".lmstudio/models/Org/Theirs/theirs.gguf"));
    await expect(removeModel("theirs", { yes: true })).rejects.toThrow(
      /theirs\.gguf.*LM Studio: delete it there/,
    );
    await expect(removeModel("lmagent-practice", { yes: true })).rejects.toThrow(/part of this package/);
    const file = await addModel(join(place.workspace, "mine.gguf"));
    await expect(removeModel(file, { yes: true })).rejects.toThrow(/no file of ours/);
    expect(existsSync(theirs) && existsSync(file)).toBe(true);
    await mkdir(ours("me/Linked"), { recursive: true });
    await symlink(file, ours("me/Linked/linked.gguf"));
    await runCommand(() => removeModel("linked", { yes: true }));
    expect(existsSync(file)).toBe(true);
    expect(existsSync(ours("me"))).toBe(false);
  });

  it("asks first, and without a terminal there is nobody to ask", async () => {
    const path = await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"));
    await expect(removeModel("thing", {})).rejects.toMatchObject({ code: "usage" });
    expect(existsSync(path)).toBe(true);
  });
});

describe("lmagent models import", () => {
  const TARGET = "local/My-Model/My-Model-Q8_0.gguf";
  let source: string;
  beforeEach(async () => {
    source = await addModel(join(place.workspace, "My-Model-Q8_0.gguf"));
  });
  const run = (flags: Parameters<typeof importModel>[1], file = source) =>
    runCommand(() => importModel(file, flags));

  it("moves the file, and the catalog has it", async () => {
    const bytes = readFileSync(source);
    expect(await run({ yes: true })).toMatchObject({ code: 0, stdout: `${ours(TARGET)}\n` });
    expect(existsSync(source)).toBe(false);
    expect(readFileSync(ours(TARGET)).equals(bytes)).toBe(true);
    expect((await runCommand(() => listModels({}))).stdout).toMatch(/^my-model /m);
  });

  it("copies or links it, and asks nothing then", async () => {
    await run({ copy: true, userRepo: "me/Copied" });
    await run({ hardLink: true, userRepo: "me/Hard" });
    await run({ symbolicLink: true, userRepo: "me/Soft" });
    const name = "My-Model-Q8_0.gguf";
    expect((await stat(ours(`me/Copied/${name}`))).ino).not.toBe((await stat(source)).ino);
    expect((await stat(ours(`me/Hard/${name}`))).ino).toBe((await stat(source)).ino);
    expect(readlinkSync(ours(`me/Soft/${name}`))).toBe(source);
    expect(readdirSync(ours("me/Copied"))).toEqual([name]);
  });

  it("says what it would do", async () => {
    const { stdout } = await run({ dryRun: true });
    expect(stdout).toMatch(
      /^Move .*My-Model-Q8_0\.gguf to .*local\/My-Model\/My-Model-Q8_0\.gguf \(\S+ kB\)\n$/,
    );
    expect(existsSync(ours(TARGET))).toBe(false);
  });

  it("takes all parts of a split model", async () => {
    const spec = toModelSpec(SMALL);
    const tensors = spec.tensors ?? [];
    const [first, second] = ["1", "2"].map((part) =>
      join(place.workspace, `Big-Q8_0-0000${part}-of-00002.gguf`),
    );
    await writeGguf(first ?? "", { ...spec, tensors: tensors.slice(0, 4) });
    await expect(importModel(first ?? "", { copy: true })).rejects.toThrow(/part 2 of 2 is missing/);
    await writeGguf(second ?? "", { tensors: tensors.slice(4) });
    await run({ copy: true }, second);
    expect(readdirSync(ours("local/Big"))).toHaveLength(2);
  });

  it("replaces nothing, and leaves nothing behind when a part cannot be placed", async () => {
    await run({ copy: true });
    await expect(importModel(source, { copy: true })).rejects.toThrow(/is there already/);
    const other = join(place.workspace, "linked.gguf");
    await symlink(source, other);
    await expect(importModel(other, { yes: true })).rejects.toThrow(/is a link/);
    expect(lstatSync(other).isSymbolicLink()).toBe(true);
    await writeFile(ours("blocked"), "");
    await expect(importModel(source, { copy: true, userRepo: "blocked/x" })).rejects.toMatchObject({
      code: "storage_failed",
    });
    await link(source, join(place.workspace, "again.gguf"));
    expect(readdirSync(place.workspace)).toHaveLength(3);
  });

  it("refuses what cannot be meant", async () => {
    for (const userRepo of [
      "",
      "one",
      "a/b/c",
      "../x",
      "x/..",
      "/etc",
      "a/.b",
      "a\u0000/b",
      `${"a".repeat(200)}/b`,
    ])
      await expect(importModel(source, { userRepo, copy: true }), userRepo).rejects.toMatchObject({
        code: "usage",
      });
    await expect(importModel(source, { copy: true, hardLink: true })).rejects.toMatchObject({
      code: "usage",
    });
    await expect(importModel(source, {})).rejects.toMatchObject({ code: "usage" });
    await writeFile(join(place.workspace, "no.gguf"), "nothing");
    await expect(importModel(join(place.workspace, "no.gguf"), { copy: true })).rejects.toThrow(
      /no GGUF file/,
    );
    expect(existsSync(source)).toBe(true);
  });
});

describe("lmagent models estimate", () => {
  const LARGE = { layers: 32, embedding: 4096, feedForward: 14_336, heads: 32, kvHeads: 8, type: 12 };
  beforeEach(async () => {
    await addModel(ours("Org/Llama-8B-GGUF/Llama-8B-Q4_K_M.gguf"), {
      ...LARGE,
      vocabulary: 128_256,
      context: 131_072,
    });
  });

  it("says what it takes, and that it fits", async () => {
    const run = await runCommand(() => estimateModel("llama-8b", {}, machineOf(64, 24)));
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^llama-8b: 2 slots of 32,768 tokens, 33 of 33 layers on the GPU\n/);
    expect(run.stdout).toMatch(/weights +295\.5 MB +4\.2 GB\n/);
    expect(run.stdout).toMatch(/context \(KV\) +0 B +8\.6 GB\n/);
    expect(run.stdout).toMatch(/It fits\.\nFor a GPU of 12 GB, as a rule: Q8_0 or F16/);
  });

  it("ends with exit code 1 and the numbers when it does not fit", async () => {
    const run = await runCommand(() => estimateModel("llama-8b", { context: "131072" }, machineOf(12)));
    expect(run.code).toBe(1);
    expect(run.stdout).toMatch(
      /does not fit: it needs \d+\.\d GB of memory, and 12\.1 GB can be had\. A context of [\d,]+ tokens fits\./,
    );
    const json = await runCommand(() => estimateModel("llama-8b", { json: true }, machineOf(2)));
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      model: "llama-8b",
      fits: false,
      pool: "ram",
      largestContextTokens: 0,
      advice: null,
    });
  });

  it("honours what was asked for, and what is configured", async () => {
    const flags = { context: "8192", slots: "3", gpuLayers: "off" };
    const off = await runCommand(() => estimateModel("llama-8b", flags, machineOf(64, 24)));
    expect(off.stdout).toMatch(/^llama-8b: 3 slots of 8,192 tokens\n/);
    await mkdir(place.home, { recursive: true });
    await writeFile(join(place.home, "config.yaml"), "gpu:\n  n_gpu_layers: 7\n");
    const configured = await runCommand(() => estimateModel("llama-8b", {}, machineOf(64, 24)));
    expect(configured.stdout).toContain("7 of 33 layers on the GPU");
    const most = await runCommand(() => estimateModel("llama-8b", { gpuLayers: "max" }, machineOf(64, 24)));
    expect(most.stdout).toContain("33 of 33 layers");
  });

  it("shows a tiny model as it is loaded: two slots, and no GPU", async () => {
    const run = await runCommand(() => estimateModel("lmagent-practice", {}, machineOf(16, 24)));
    const context = PRACTICE.contextTokens.toLocaleString("en");
    expect(run.stdout).toMatch(new RegExp(`^lmagent-practice: 2 slots of ${context} tokens\\n`));
  });

  it("refuses a context that the model was not trained for, as a load does", async () => {
    await addModel(ours("Org/Thing-GGUF/Thing-Q8_0.gguf"));
    await expect(estimateModel("thing", { context: "4097" }, machineOf(16))).rejects.toThrow(
      "`--context` is `4097`, but must be at most the 4096 tokens that this model was trained for",
    );
  });

  it("refuses numbers that are none", async () => {
    for (const flags of [
      { context: "0" },
      { context: "1e9" },
      { slots: "-1" },
      { gpuLayers: "all" },
      { slots: "NaN" },
    ])
      await expect(estimateModel("llama-8b", flags, machineOf(8))).rejects.toMatchObject({ code: "usage" });
  });

  it("gives advice by the size of the GPU", async () => {
    const from = await Promise.all(
      [2, 4, 6, 8, 11, 12, 80].map(async (gib) => adviseForGpu(await machineOf(8, gib)())?.fromGb),
    );
    expect(from).toEqual([undefined, 4, 6, 8, 8, 12, 12]);
  });
});
