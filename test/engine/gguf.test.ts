import { execFileSync } from "node:child_process";
import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readGgufHeader } from "../../src/engine/gguf/header.ts";
import { quantizationOfName } from "../../src/engine/gguf/quantization.ts";
import { readModelShape } from "../../src/engine/gguf/shape.ts";
import { parsePartName, partPaths } from "../../src/engine/gguf/split.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";
import { buildGguf, createEncoder, Raw, toModelSpec, writeGguf } from "./_gguf.ts";
import type { MetaValue, Measures } from "./_gguf.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-gguf-"));
  path = join(folder, "model.gguf");
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const SMALL: Measures = {
  layers: 2,
  embedding: 64,
  feedForward: 128,
  heads: 4,
  kvHeads: 2,
  vocabulary: 300,
  context: 512,
};
const to = createEncoder();

describe("a GGUF header", () => {
  test("of the practice model is read whole", async () => {
    const header = await readGgufHeader(PRACTICE_MODEL);
    expect(header.version).toBe(3);
    expect(header.metadata.get("general.architecture")).toBe("llama");
    expect(header.metadata.get("tokenizer.ggml.tokens")).toEqual({ length: 2048, type: "string" });
    expect(header.tensors).toHaveLength(38);
    const shape = await readModelShape(PRACTICE_MODEL);
    expect(shape).toMatchObject({
      kind: "model",
      architecture: "llama",
      quantization: "Q8_0",
      maxContextTokens: 4096,
      embeddingLength: 256,
      feedForwardLength: 640,
      heads: 8,
      vocabulary: 2048,
      tokenizer: "gpt2",
      encoder: false,
    });
    expect(shape.layers).toHaveLength(4);
    expect(shape.bitsPerWeight).toBeCloseTo(8.5, 1);
  });

  test("is the same in both versions and byte orders", async () => {
    const spec = toModelSpec({ ...SMALL, metadata: { "x.float": 0.5, "x.list": [1, 2, 3], "x.big": 7n } });
    const found = [];
    for (const form of [{ version: 2 }, { version: 3 }, { version: 3, bigEndian: true }]) {
      await writeGguf(path, { ...spec, ...form });
      const { metadata, tensors, byteOrder } = await readGgufHeader(path);
      expect(byteOrder).toBe(form.bigEndian === true ? "big" : "little");
      found.push({ metadata: [...metadata], tensors });
    }
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
    expect(new Map(found[0]?.metadata).get("x.big")).toBe(7);
  });

  test("keeps no vocabulary, whatever its size", async () => {
    const tokens = Array.from({ length: 150_000 }, (_, index) => `token ${index}`);
    await writeGguf(path, { metadata: { "tokenizer.ggml.tokens": tokens, "general.name": "after it" } });
    const { metadata } = await readGgufHeader(path);
    expect(metadata.get("tokenizer.ggml.tokens")).toEqual({ length: 150_000, type: "string" });
    expect(metadata.get("general.name")).toBe("after it");
  });

  test("reads arrays in arrays over, and strings that are too long", async () => {
    const inner = Buffer.concat([to.u32(4), to.u64(2), to.u32(1), to.u32(2)]);
    const nested = new Raw(Buffer.concat([to.u32(9), to.u32(9), to.u64(2), inner, inner]));
    await writeGguf(path, { metadata: { nested, long: "x".repeat(2_000_000), last: true } });
    const { metadata } = await readGgufHeader(path);
    expect([...metadata]).toEqual([
      ["nested", { length: 2, type: "array" }],
      ["last", true],
    ]);
  });

  test("takes the size of tensors of an unknown type from the next one", async () => {
    const tensors = [
      { name: "a", dimensions: [64], type: 99 },
      { name: "b", dimensions: [16], type: 0 },
    ];
    await writeGguf(path, { tensors });
    expect((await readGgufHeader(path)).tensors.map(({ bytes }) => bytes)).toEqual([64, 64]);
  });
});

describe("a file that is none", () => {
  const refuse = async (bytes: Buffer | string, what: RegExp): Promise<void> => {
    await writeFile(path, bytes);
    const started = performance.now();
    await expect(readGgufHeader(path)).rejects.toMatchObject({
      code: "engine_failed",
      message: expect.stringMatching(what),
      data: { path, reason: "load_failed" },
    });
    expect(performance.now() - started).toBeLessThan(3_000);
  };

  test("is named with what to do", async () => {
    await refuse("", /no GGUF file/);
    await refuse("PK\u0003\u0004 and more than a few bytes", /no GGUF file.*Download it again/);
    await refuse(buildGguf({ version: 1 }).header, /version 1/);
    await refuse(buildGguf({ version: 9 }).header, /version is 9/);
    await expect(readGgufHeader(join(folder, "none.gguf"))).rejects.toThrow("none.gguf");
    await expect(readGgufHeader(folder)).rejects.toThrow(/cannot be read/);
  });

  test.skipIf(process.platform === "win32")("does not wait for a pipe", async () => {
    execFileSync("mkfifo", [path]);
    await expect(readGgufHeader(path)).rejects.toThrow(/no regular file/);
  });

  test("is told at whatever byte it was cut off", async () => {
    const { header, fileBytes } = buildGguf(toModelSpec(SMALL));
    for (let length = 0; length < header.length; length += 7) {
      await writeFile(path, header.subarray(0, length));
      await expect(readGgufHeader(path)).rejects.toMatchObject({ code: "engine_failed" });
    }
    await writeGguf(path, toModelSpec(SMALL));
    await truncate(path, fileBytes - 100);
    await expect(readGgufHeader(path)).rejects.toThrow(/cut off or damaged \(at byte \d+\)/);
  });

  test("cannot claim more than its own size bears out", async () => {
    const start = (tensors: bigint | number, keys: bigint | number): Buffer =>
      Buffer.concat([Buffer.from("GGUF"), to.u32(3), to.u64(tensors), to.u64(keys)]);
    await refuse(start(2n ** 63n, 0), /number of tensors/);
    await refuse(start(0, 2n ** 53n - 1n), /metadata keys/);
    await refuse(start(1_000, 0), /1000 tensors/);
    const withValue = (value: Buffer): Buffer => Buffer.concat([start(0, 1), to.text("key"), value]);
    await refuse(withValue(Buffer.concat([to.u32(8), to.u64(2n ** 62n)])), /length of the value of `key`/);
    await refuse(withValue(Buffer.concat([to.u32(8), to.u64(1_000)])), /would take 1000 bytes/);
    await refuse(withValue(Buffer.concat([to.u32(9), to.u32(8), to.u64(2n ** 52n)])), /`key`/);
    await refuse(withValue(Buffer.concat([to.u32(9), to.u32(10), to.u64(2n ** 50n)])), /`key`/);
    await refuse(withValue(Buffer.concat([to.u32(77), to.u64(0)])), /type 77/);
    const array = Buffer.concat([to.u32(9), to.u64(1)]);
    await refuse(withValue(Buffer.concat([to.u32(9), ...Array.from({ length: 9 }, () => array)])), /deep/);
    const twice = Buffer.concat([to.text("key"), to.u32(7), Buffer.from([1])]);
    await refuse(Buffer.concat([start(0, 2), twice, twice]), /twice/);
  });

  test("takes no time by being large", async () => {
    const start = Buffer.concat([Buffer.from("GGUF"), to.u32(3), to.u64(0), to.u64(1), to.text("key")]);
    for (const array of [
      [to.u32(9), to.u32(8), to.u64(2 ** 30)],
      [to.u32(9), to.u32(9), to.u64(2 ** 29)],
    ]) {
      await writeFile(path, Buffer.concat([start, ...array]));
      await truncate(path, 2 ** 36);
      const started = performance.now();
      await expect(readGgufHeader(path)).rejects.toMatchObject({ code: "engine_failed" });
      expect(performance.now() - started).toBeLessThan(10_000);
    }
  });

  test("cannot have tensors that are no tensors", async () => {
    const tensor = (dimensions: readonly (number | bigint)[]): Buffer =>
      buildGguf({ tensors: [{ name: "t", dimensions, type: 0 }] }).header;
    await refuse(tensor([2n ** 63n]), /dimension 0/);
    await refuse(tensor([2 ** 40, 2 ** 40]), /weights, which cannot be/);
    await refuse(tensor([2 ** 40]), /cut off/);
    await refuse(tensor(Array.from({ length: 9 }, () => 1)), /9 dimensions/);
    await refuse(buildGguf({ metadata: { "general.alignment": 0 } }).header, /alignment/);
  });

  test("makes no trouble with any byte of it changed", async () => {
    const { header, fileBytes } = buildGguf(toModelSpec(SMALL));
    for (let at = 0; at < header.length; at += 5) {
      const bytes = Buffer.alloc(fileBytes);
      header.copy(bytes);
      bytes[at] = (bytes[at] ?? 0) ^ 0xff;
      await writeFile(path, bytes);
      await readModelShape(path).catch((thrown: unknown) =>
        expect(thrown).toMatchObject({ code: "engine_failed" }),
      );
    }
  });
});

describe("the shape of a model", () => {
  const read = async (measures: Partial<Measures>, metadata: Record<string, MetaValue> = {}) => {
    await writeGguf(path, toModelSpec({ ...SMALL, ...measures, metadata }));
    return readModelShape(path);
  };

  test("counts weights, keys and values", async () => {
    const shape = await read({});
    expect(shape.parameters).toBe(
      2 * 300 * 64 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128),
    );
    expect(shape.layers[0]).toMatchObject({ keyLength: 32, valueLength: 32, stateBytes: 0 });
    expect(shape.inputBytes).toBe(300 * 64 * 2);
    expect(shape.outputBytes).toBe(300 * 64 * 2 + 64 * 4);
    expect([shape.tiedBytes, (await read({ tied: true })).tiedBytes]).toEqual([0, 300 * 64 * 2]);
  });

  test("is read again only when the file is another one", async () => {
    const first = await read({});
    expect(await readModelShape(path)).toBe(first);
    expect((await read({ layers: 3 })).layers).toHaveLength(3);
    await rm(path);
    await expect(readModelShape(path)).rejects.toThrow(/ENOENT/);
  });

  test("knows which layers look back a window only", async () => {
    const shape = await read(
      { architecture: "gemma3", layers: 12 },
      { "gemma3.attention.sliding_window": 128 },
    );
    const full = shape.layers.flatMap(({ windowTokens }, layer) =>
      windowTokens === undefined ? [layer] : [],
    );
    expect(full).toEqual([5, 11]);
    const plain = await read({ architecture: "mistral" }, { "mistral.attention.sliding_window": 128 });
    expect(plain.layers[0]?.windowTokens).toBeUndefined();
  });

  test("takes numbers for each layer", async () => {
    const shape = await read({ architecture: "openelm" }, { "openelm.attention.head_count_kv": [1, 4] });
    expect(shape.layers.map(({ keyLength }) => keyLength)).toEqual([16, 64]);
  });

  test("gives recurrent layers a state instead of a context", async () => {
    const metadata = {
      "general.architecture": "mamba",
      "mamba.embedding_length": 64,
      "mamba.block_count": 1,
      "mamba.context_length": 4096,
      "mamba.ssm.conv_kernel": 4,
      "mamba.ssm.inner_size": 128,
      "mamba.ssm.state_size": 16,
    };
    await writeGguf(path, { metadata, tensors: [{ name: "blk.0.ssm_in.weight", dimensions: [64, 256] }] });
    const { layers } = await readModelShape(path);
    expect(layers[0]).toMatchObject({ keyLength: 0, valueLength: 0, stateBytes: 4 * (3 * 128 + 16 * 128) });
  });

  test("tells models from what belongs to them", async () => {
    for (const [metadata, kind] of [
      [{ "general.architecture": "clip" }, "projector"],
      [{ "general.architecture": "llama", "general.type": "adapter" }, "adapter"],
      [{ "general.type": "imatrix" }, "other"],
    ] as const) {
      await writeGguf(path, { metadata });
      expect((await readModelShape(path)).kind).toBe(kind);
    }
    await writeGguf(path, { metadata: { "general.name": "nothing" } });
    await expect(readModelShape(path)).rejects.toThrow(/architecture/);
  });

  test("knows embedding models and tools", async () => {
    expect(await read({ architecture: "bert" }, { "bert.pooling_type": 1 })).toMatchObject({
      pooling: "mean",
      encoder: true,
    });
    expect((await read({}, { "tokenizer.chat_template": "{% if tools %}" })).toolUse).toBe(true);
    expect((await read({}, { "tokenizer.chat_template": "{{ messages }}" })).toolUse).toBe(false);
  });

  test("is refused when it was made for machines of the other byte order", async () => {
    await writeGguf(path, { ...toModelSpec(SMALL), bigEndian: true });
    await expect(readModelShape(path)).rejects.toThrow(/byte order/);
  });

  test("does not believe numbers that cannot be", async () => {
    const shape = await read({}, { "llama.context_length": Number.NaN, "llama.expert_count": -1 });
    expect(shape.maxContextTokens).toBeUndefined();
    expect(shape.experts).toBe(0);
    await expect(read({}, { "llama.block_count": 2 ** 31 })).rejects.toThrow(/layers/);
  });

  test("adds up the parts of a split model, and misses none", async () => {
    const spec = toModelSpec(SMALL);
    const paths = partPaths(join(folder, "m-00001-of-00002.gguf"));
    const [first = "", second = ""] = paths;
    const tensors = spec.tensors ?? [];
    await writeGguf(first, { ...spec, tensors: tensors.slice(0, 5) });
    await expect(readModelShape(first)).rejects.toThrow(/part 2 of 2 is missing.*00002-of-00002/);
    await writeGguf(second, { tensors: tensors.slice(5) });
    await writeGguf(path, spec);
    const { fileBytes, ...split } = await readModelShape(first);
    expect(await readModelShape(path)).toMatchObject(split);
    expect(fileBytes).toBe((await stat(first)).size + (await stat(second)).size);
    expect(parsePartName("/x/a-00003-of-00002.gguf")).toBeUndefined();
  });
});

test("the quantization stands in most file names", () => {
  const names = {
    "Qwen3-8B-UD-Q4_K_XL.gguf": "UD-Q4_K_XL",
    "llama-2-7b.Q5_0.gguf": "Q5_0",
    "gpt-oss-20b-MXFP4.gguf": "MXFP4",
    "model-iq3_xxs-00001-of-00002.gguf": "IQ3_XXS",
    "mixtral-8x7b-f16.gguf": "F16",
    "Q.gguf": undefined,
    "seq4_0.gguf": undefined,
  };
  for (const [name, quantization] of Object.entries(names))
    expect(quantizationOfName(name)).toBe(quantization);
});
