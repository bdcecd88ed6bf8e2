import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { createCatalog, modelsFolder } from "../../src/engine/catalog/local-catalog.ts";
import type { CatalogOptions, LocalCatalog } from "../../src/engine/catalog/local-catalog.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { PRACTICE } from "./_practice.ts";
import { toModelSpec, writeGguf } from "./_gguf.ts";
import type { MetaValue, Measures } from "./_gguf.ts";

let root: string;
let home: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "lmagent-catalog-"));
  home = join(root, ".lmagent");
});

afterEach(() => rm(root, { recursive: true, force: true }));

const open = (options: Partial<CatalogOptions> = {}): LocalCatalog =>
  createCatalog({ home, userHome: root, freshMs: 0, ...options });

const SMALL: Measures = {
  layers: 1,
  embedding: 32,
  feedForward: 32,
  heads: 2,
  kvHeads: 2,
  vocabulary: 64,
  context: 512,
};

async function addModel(
  path: string,
  metadata: Record<string, MetaValue> = {},
  measures: Partial<Measures> = {},
): Promise<string> {
  const whole = join(root, path);
  await mkdir(dirname(whole), { recursive: true });
  await writeGguf(whole, toModelSpec({ ...SMALL, ...measures, metadata }));
  return whole;
}

async function addText(path: string, text: string): Promise<string> {
  const whole = join(root, path);
  await mkdir(dirname(whole), { recursive: true });
  await writeFile(whole, text);
  return whole;
}

const keysOf = async (catalog: LocalCatalog): Promise<readonly string[]> =>
  (await catalog.list()).map(({ key }) => key);

describe("the catalog", () => {
  test("has the practice model alone on a new machine, and writes nothing", async () => {
    const catalog = open({ packageModel: PRACTICE_MODEL });
    expect(await catalog.list()).toMatchObject([
      {
        key: "lmagent-practice",
        source: "package",
        toolUse: true,
        maxContextTokens: PRACTICE.contextTokens,
        quantization: "Q8_0",
      },
    ]);
    expect(await catalog.find("LMAgent-Practice")).toBeDefined();
    await expect(readFile(join(modelsFolder(home), "index.json"))).rejects.toThrow("ENOENT");
  });

  test("tells what headers say", async () => {
    const path = await addModel(
      ".lmagent/models/Qwen/Qwen3-4B-GGUF/Qwen3-4B-UD-Q4_K_XL.gguf",
      { "general.name": "Qwen3\u001b[31m 4B", "tokenizer.chat_template": "{{ tools }}" },
      { type: 12, embedding: 256, feedForward: 256 },
    );
    expect(await open().list()).toMatchObject([
      {
        key: "qwen3-4b",
        path,
        files: [path],
        publisher: "Qwen",
        displayName: "Qwen3 [31m 4B",
        source: "lmagent",
        purpose: "chat",
        architecture: "llama",
        quantization: "UD-Q4_K_XL",
        maxContextTokens: 512,
        toolUse: true,
      },
    ]);
  });

  test("gives every file a key of its own", async () => {
    await addModel(".lmagent/models/one/Model-GGUF/Model-Q4_K_M.gguf");
    await addModel(".lmagent/models/one/Model-GGUF/Model-Q8_0.gguf");
    await addModel(".lmagent/models/two/Model-GGUF/Model-Q8_0.gguf");
    await addModel(".lmagent/models/two/Model-GGUF/Other-Q8_0.gguf");
    await addModel(".lmagent/models/three/Single-GGUF/whatever.gguf");
    await addModel(".lmagent/models/loose-Q8_0.gguf");
    expect(await keysOf(open())).toEqual([
      "loose-q8_0",
      "model@q4_k_m",
      "one/model@q8_0",
      "single",
      "two/model-q8_0",
      "two/other-q8_0",
    ]);
  });

  test("finds models by every name that they have", async () => {
    const q4 = await addModel(".lmagent/models/Org/Thing-7B-GGUF/thing-7b.Q4_K_M.gguf", {}, { type: 8 });
    const q8 = await addModel(".lmagent/models/Org/Thing-7B-GGUF/thing-7b.Q8_0.gguf", {}, { type: 1 });
    const catalog = open();
    const names: Record<string, string> = {
      "thing-7b@q4_k_m": q4,
      "THING-7B@Q8_0": q8,
      "org/thing-7b-gguf@q8_0": q8,
      "Org/Thing-7B@Q8_0": q8,
      "Org/Thing-7B-GGUF:Q8_0": q8,
      "thing-7b.Q8_0.gguf": q8,
      "thing-7b.q8_0": q8,
      [q8]: q8,
      // Several have these names: the one nearest to Q4_K_M.
      "thing-7b": q4,
      "Org/Thing-7B-GGUF": q4,
    };
    for (const [name, path] of Object.entries(names))
      expect((await catalog.find(name))?.path, name).toBe(path);
    for (const name of ["", " ", "thing", "thing-7b@q2_k", "x".repeat(100_000), "__proto__", "\0.gguf"])
      expect(await catalog.find(name), name.slice(0, 20)).toBeUndefined();
    expect(await catalog.suggest("thing-8b")).toContain("thing-7b@q4_k_m");
    expect(await catalog.suggest("completely different")).toEqual([]);
  });

  test("finds a file by its whole path only", async () => {
    const path = await addModel("elsewhere/some.gguf");
    const catalog = open();
    expect(await catalog.find(path)).toMatchObject({ key: "some", source: "file", maxContextTokens: 512 });
    expect(await catalog.find("elsewhere/some.gguf")).toBeUndefined();
    expect(await catalog.find(`//server${path}`)).toBeUndefined();
    expect(await catalog.find(join(root, "none.gguf"))).toBeUndefined();
    const broken = await addText("elsewhere/broken.gguf", "nothing");
    await expect(catalog.find(broken)).rejects.toMatchObject({ code: "engine_failed" });
    expect(await toFileEntry(path)).toMatchObject({ architecture: "llama" });
  });

  test("joins the parts of a split model", async () => {
    const spec = toModelSpec(SMALL);
    const tensors = spec.tensors ?? [];
    const folder = join(root, ".lmagent/models/org/Big-GGUF");
    await mkdir(folder, { recursive: true });
    await writeGguf(join(folder, "Big-Q8_0-00001-of-00002.gguf"), { ...spec, tensors: tensors.slice(0, 4) });
    await writeGguf(join(folder, "Big-Q8_0-00002-of-00002.gguf"), { tensors: tensors.slice(4) });
    await addModel(".lmagent/models/org/Cut-GGUF/Cut-00001-of-00002.gguf");
    const catalog = open();
    const [entry, ...others] = await catalog.list();
    expect(entry).toMatchObject({ key: "big", quantization: "Q8_0" });
    expect(entry?.files).toHaveLength(2);
    expect(others).toEqual([]);
    expect(await catalog.broken()).toMatchObject([{ why: expect.stringMatching(/part 2 of 2 is missing/) }]);
  });

  test("puts a projector to the models beside it", async () => {
    await addModel(".lmstudio/models/org/Seer-GGUF/Seer-Q8_0.gguf");
    for (const type of ["F32", "BF16", "F16"])
      await addModel(`.lmstudio/models/org/Seer-GGUF/mmproj-Seer-${type}.gguf`, {
        "general.architecture": "clip",
      });
    const [entry, ...others] = await open().list();
    expect(others).toEqual([]);
    expect(entry?.projectorPath).toMatch(/mmproj-Seer-F16\.gguf$/);
    expect(entry?.files).toContain(entry?.projectorPath);
  });

  test("tells embedding models from others", async () => {
    await addModel(".lmagent/models/a/Embed/e.gguf", { "bert.pooling_type": 1 }, { architecture: "bert" });
    await addModel(".lmagent/models/a/Last/l.gguf", { "llama.pooling_type": 3 });
    await addModel(".lmagent/models/a/Chat/c.gguf", { "llama.pooling_type": 0 });
    const purposes = (await open().list()).map(({ key, purpose }) => [key, purpose]);
    expect(purposes).toEqual([
      ["chat", "chat"],
      ["embed", "embedding"],
      ["last", "embedding"],
    ]);
  });
});

describe("other programs' folders", () => {
  test("of LM Studio: the old one, and the one that its settings name", async () => {
    await addModel(".lmstudio/models/org/New/new.gguf");
    await addModel(".cache/lm-studio/models/org/Old/old.gguf");
    await addModel("disk/models/org/Moved/moved.gguf");
    await addText(".lmstudio/settings.json", JSON.stringify({ downloadsFolder: join(root, "disk/models") }));
    const entries = await open().list();
    expect(entries.map(({ key, source }) => [key, source])).toEqual([
      ["moved", "lmstudio"],
      ["new", "lmstudio"],
      ["old", "lmstudio"],
    ]);
    await addText(".lmstudio/settings.json", '{"downloadsFolder": 3');
    expect(await keysOf(open())).toEqual(["new", "old"]);
  });

  test("of Hugging Face: each file once, of the newest revision", async () => {
    const hub = ".cache/huggingface/hub/models--bartowski--Tiny-GGUF";
    const blob = await addModel(`${hub}/blobs/aaa`);
    for (const revision of ["111", "222"]) {
      const snapshot = join(root, hub, "snapshots", revision);
      await mkdir(snapshot, { recursive: true });
      await symlink(blob, join(snapshot, "Tiny-Q8_0.gguf"));
    }
    await addText(`${hub}/refs/main`, "111\n");
    await mkdir(join(root, ".cache/huggingface/hub/models--no--snapshots"));
    await mkdir(join(root, ".cache/huggingface/hub/datasets--x--y"));
    const catalog = open();
    const [entry, ...others] = await catalog.list();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ key: "tiny", publisher: "bartowski", source: "huggingface" });
    expect(entry?.path).toBe(join(root, hub, "snapshots/111/Tiny-Q8_0.gguf"));
    expect(await catalog.broken()).toEqual([]);
    const moved = open({ env: { HF_HOME: join(root, "none") } });
    expect(await moved.list()).toEqual([]);
  });

  test("of Ollama: names with tags, and what lies beside the model", async () => {
    const digest = (letter: string): string => letter.repeat(64);
    await addModel(`.ollama/models/blobs/sha256-${digest("a")}`);
    await addText(`.ollama/models/blobs/sha256-${digest("b")}`, "{{ .Prompt }}");
    await addText(`.ollama/models/blobs/sha256-${digest("c")}`, '{"temperature":0.5,"stop":["x"]}');
    const layer = (kind: string, letter: string) => ({
      mediaType: `application/vnd.ollama.image.${kind}`,
      digest: `sha256:${digest(letter)}`,
    });
    const manifest = JSON.stringify({
      layers: [layer("model", "a"), layer("template", "b"), layer("params", "c")],
    });
    const manifests = ".ollama/models/manifests";
    await addText(`${manifests}/registry.ollama.ai/library/llama3.2/latest`, manifest);
    await addText(`${manifests}/registry.ollama.ai/library/llama3.2/1b`, manifest);
    await addText(`${manifests}/registry.ollama.ai/library/broken/latest`, "{");
    await addText(`${manifests}/registry.ollama.ai/library/cloud/latest`, '{"layers":[]}');
    const outside = {
      mediaType: "application/vnd.ollama.image.model",
      digest: "sha256:../../../../etc/passwd",
    };
    await addText(
      `${manifests}/registry.ollama.ai/library/evil/latest`,
      JSON.stringify({ layers: [outside, 3, null] }),
    );
    const gone = JSON.stringify({ layers: [layer("model", "f")] });
    await addText(`${manifests}/hf.co/org/repo/Q4_K_M`, gone);
    const catalog = open();
    const [entry, ...others] = await catalog.list();
    expect(others).toEqual([]);
    expect(entry).toMatchObject({
      source: "ollama",
      ollama: { template: "{{ .Prompt }}", parameters: { temperature: 0.5 } },
    });
    for (const name of ["llama3.2", "llama3.2:latest", "llama3.2:1b", "LLAMA3.2:1B"])
      expect((await catalog.find(name))?.path, name).toBe(entry?.path);
    const broken = (await catalog.broken()).map(({ path }) =>
      path.slice(join(root, ".ollama/models").length),
    );
    expect(broken.sort()).toEqual([
      `/blobs/sha256-${digest("f")}`,
      "/manifests/registry.ollama.ai/library/broken/latest",
    ]);
  });

  test("that hold the same file show it once, under all its names", async () => {
    const path = await addModel(".lmstudio/models/org/Shared-GGUF/Shared-Q8_0.gguf");
    await mkdir(join(root, ".lmagent/models/me/Mine"), { recursive: true });
    await symlink(path, join(root, ".lmagent/models/me/Mine/link.gguf"));
    await mkdir(join(root, ".lmagent/models/me/Hard"), { recursive: true });
    await link(path, join(root, ".lmagent/models/me/Hard/hard.gguf"));
    const catalog = open();
    expect(await keysOf(catalog)).toEqual(["hard"]);
    for (const name of ["mine", "org/shared-gguf", "link.gguf"])
      expect((await catalog.find(name))?.key, name).toBe("hard");
  });
});

describe("trouble in a folder", () => {
  test("is told and breaks nothing else", async () => {
    await addModel(".lmagent/models/org/Good/good.gguf");
    await addText(".lmagent/models/org/Bad/bad.gguf", "<html>404</html>");
    const cut = await addModel(".lmagent/models/org/Cut/cut.gguf");
    await truncate(cut, 1000);
    await addModel(".lmagent/models/org/Lora/lora.gguf", { "general.type": "adapter" });
    const models = join(root, ".lmagent/models");
    await symlink(join(root, "nowhere"), join(models, "dangling.gguf"));
    await symlink(models, join(models, "org/loop"));
    await mkdir(join(models, "folder.gguf"));
    const catalog = open();
    expect(await keysOf(catalog)).toEqual(["good"]);
    const why = Object.fromEntries(
      (await catalog.broken()).map((one) => [one.path.slice(models.length + 1), one.why]),
    );
    expect(why).toEqual({
      "org/Bad/bad.gguf": expect.stringMatching(/no GGUF file/),
      "org/Cut/cut.gguf": expect.stringMatching(/cut off or damaged/),
      "org/Lora/lora.gguf": expect.stringMatching(/adapter/),
      "dangling.gguf": expect.stringMatching(/ENOENT/),
    });
  });

  test.skipIf(process.platform === "win32" || process.getuid?.() === 0)(
    "that may not be read is told",
    async () => {
      await addModel(".lmagent/models/org/Secret/secret.gguf");
      const folder = join(root, ".lmagent/models/org/Secret");
      await chmod(folder, 0);
      try {
        const catalog = open();
        expect(await catalog.list()).toEqual([]);
        expect(await catalog.broken()).toMatchObject([
          { path: folder, why: expect.stringMatching(/EACCES/) },
        ]);
      } finally {
        await chmod(folder, 0o700);
      }
    },
  );

  test("does not lead out to the whole disk, but to another one it does", async () => {
    const models = join(root, ".lmagent/models");
    await addModel(".lmagent/models/org/Thing/thing.gguf");
    await addModel("elsewhere/not-here.gguf");
    await addModel("disk/Far/far.gguf");
    for (const [name, target] of Object.entries({ up: root, top: "/", far: join(root, "disk") }))
      await symlink(target, join(models, "org", name));
    expect(await keysOf(open())).toEqual(["far", "thing"]);
  });

  test("does not go on deeper than models lie", async () => {
    await addModel(`.lmagent/models/${"d/".repeat(30)}deep.gguf`);
    expect(await open().list()).toEqual([]);
  });
});

describe("what headers said", () => {
  const indexOf = async (): Promise<string> => readFile(join(modelsFolder(home), "index.json"), "utf8");

  test("is kept, and read again when the file is another one", async () => {
    const path = await addModel(".lmagent/models/org/Thing/thing.gguf");
    expect(await open().list()).toMatchObject([{ architecture: "llama" }]);
    const index = (await indexOf()).replace('"llama"', '"remembered"');
    await writeFile(join(modelsFolder(home), "index.json"), index);
    expect(await open().list()).toMatchObject([{ architecture: "remembered" }]);
    await utimes(path, new Date(), new Date(Date.now() - 60_000));
    expect(await open().list()).toMatchObject([{ architecture: "llama" }]);
    await rm(path);
    expect(await open().list()).toEqual([]);
  });

  test("is not believed when it is no index", async () => {
    await addModel(".lmagent/models/org/Thing/thing.gguf");
    for (const text of [
      "",
      "[]",
      "null",
      '{"version":1,"files":[]}',
      '{"version":1,"files":{"x":{"facts":3}}}',
    ]) {
      await addText(".lmagent/models/index.json", text);
      expect(await keysOf(open())).toEqual(["thing"]);
    }
    await rm(join(modelsFolder(home), "index.json"));
    await mkdir(join(modelsFolder(home), "index.json"));
    expect(await keysOf(open())).toEqual(["thing"]);
  });

  test("is enough to find a model that was known before, as long as it is there", async () => {
    const path = await addModel(".lmagent/models/org/Thing/thing.gguf");
    const catalog = open();
    const known = await catalog.find("thing");
    expect(await catalog.find("thing")).toBe(known);
    await rm(path);
    await addModel(".lmagent/models/org/Thing/thing-Q8_0.gguf");
    expect((await catalog.find("thing"))?.path).not.toBe(path);
    await rm(join(modelsFolder(home), "org"), { recursive: true });
    catalog.refresh();
    expect(await catalog.find("thing")).toBeUndefined();
  });

  test("is asked for once by many, and a new model is found at once", async () => {
    await addModel(".lmagent/models/org/Thing/thing.gguf");
    const catalog = open({ freshMs: 60_000 });
    const lists = await Promise.all(Array.from({ length: 20 }, () => catalog.list()));
    expect(new Set(lists).size).toBe(1);
    await addModel(".lmagent/models/org/New/new.gguf");
    expect(await catalog.list()).toHaveLength(1);
    catalog.refresh();
    expect(await catalog.list()).toHaveLength(2);
  });
});
