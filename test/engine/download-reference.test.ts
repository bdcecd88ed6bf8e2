import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { AgentError } from "../../src/core/errors.ts";
import { chooseFiles } from "../../src/engine/download/choose-files.ts";
import type { FileWish } from "../../src/engine/download/choose-files.ts";
import { isSafeName, isSafePath } from "../../src/engine/download/file-name.ts";
import { readHubAccess } from "../../src/engine/download/hub-access.ts";
import { parseReference } from "../../src/engine/download/reference.ts";
import { createRateMeter } from "../../src/engine/download/rate-meter.ts";

const endpoint = "https://mirror.example";
const parse = (text: string, quantization?: string): unknown =>
  parseReference(text, { endpoint, quantization });
const hub = { type: "hub", repo: "org/some.model-GGUF", revision: "main" };

describe("the name of a model", () => {
  test.each([
    ["org/some.model-GGUF", hub],
    ["  org/some.model-GGUF\n", hub],
    ["hf.co/org/some.model-GGUF:latest", hub],
    ["hf:org/some.model-GGUF", hub],
    ["https://huggingface.co/org/some.model-GGUF/", hub],
    ["https://mirror.example/org/some.model-GGUF", hub],
    ["org/some.model-GGUF@q4_k_m", { ...hub, quantization: "q4_k_m" }],
    ["hf.co/org/some.model-GGUF:UD-Q4_K_XL", { ...hub, quantization: "UD-Q4_K_XL" }],
    ["org/some.model-GGUF/a.gguf", { ...hub, file: "a.gguf" }],
    ["org/some.model-GGUF/BF16/a-00001-of-00002.gguf", { ...hub, file: "BF16/a-00001-of-00002.gguf" }],
    [
      "https://huggingface.co/org/some.model-GGUF/blob/v1.0/sub/a%20b.gguf?download=true",
      { ...hub, revision: "v1.0", file: "sub/a b.gguf" },
    ],
    ["https://hf.co/org/some.model-GGUF/resolve/main/a.gguf", { ...hub, file: "a.gguf" }],
    [
      "https://files.example/x/a.gguf?key=1#top",
      { type: "url", url: "https://files.example/x/a.gguf?key=1" },
    ],
    ["http://127.0.0.1:8000/a.gguf", { type: "url", url: "http://127.0.0.1:8000/a.gguf" }],
  ])("%s", (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  test("can have its quantization beside it, once", () => {
    expect(parse("org/some.model-GGUF", "Q8_0")).toEqual({ ...hub, quantization: "Q8_0" });
    expect(parse("org/some.model-GGUF@q8_0", "Q8_0")).toEqual({ ...hub, quantization: "q8_0" });
    expect(() => parse("org/some.model-GGUF@Q4_0", "Q8_0")).toThrow("names `Q4_0`, and `Q8_0` was asked for");
    expect(() => parse("org/some.model-GGUF/a.gguf", "Q8_0")).toThrow("chooses nothing");
  });

  test.each([
    "",
    "llama3",
    "llama3:8b",
    "a/b/c",
    "../../etc/passwd",
    "org/../x.gguf",
    "org/repo/../../x.gguf",
    "org/repo/a\u0000.gguf",
    "org/..",
    "org/repo@",
    "org/repo@a b",
    "org/repo/x.safetensors",
    "http://files.example/a.gguf",
    "https://user:secret@files.example/a.gguf",
    "https://files.example/a.zip",
    "https://files.example/%2e%2e%2fa.gguf",
    "https://files.example/%E0%A4%A.gguf",
    "ftp://files.example/a.gguf",
    "https://",
    "file:///etc/passwd.gguf",
    `org/${"x".repeat(2000)}`,
  ])("cannot be %j", (text) => {
    let thrown: unknown;
    try {
      parse(text);
    } catch (error) {
      thrown = error;
    }
    expect(AgentError.is(thrown, "download_failed")).toBe(true);
    expect((thrown as Error).message).toContain("Name it as `owner/repo`");
    expect((thrown as Error).message).not.toContain("secret");
    expect((thrown as Error).message.length).toBeLessThan(600);
  });

  test("whatever it is, no part of it leads out of its folder", () => {
    const piece = fc.constantFrom(
      "..",
      ".",
      "/",
      "\\",
      "%2e",
      "@",
      ":",
      "a",
      "b.gguf",
      "hf.co/",
      "https://",
      "\0",
      "~",
      "con",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 9 }).map((all) => all.join("")),
        ),
        (text) => {
          let parsed;
          try {
            parsed = parseReference(text, { endpoint, quantization: undefined });
          } catch (thrown) {
            expect(AgentError.is(thrown, "download_failed")).toBe(true);
            return;
          }
          if (parsed.type === "url") expect(parsed.url).toMatch(/^https?:\/\//);
          else expect([parsed.repo, parsed.revision, parsed.file ?? "x"].every(isSafePath)).toBe(true);
        },
      ),
    );
  });
});

describe("names of files", () => {
  test.each([
    "",
    ".",
    "..",
    ".hidden",
    "-rf.gguf",
    "a/b",
    "a\\b",
    "C:x",
    "nul",
    "COM1.gguf",
    "a.",
    "a ",
    "a\u0007",
    "a\u202egguf",
    "a?",
  ])("%j is not made", (name) => {
    expect(isSafeName(name)).toBe(false);
  });

  test("that are long are not made; those of models are", () => {
    expect(isSafeName("ä".repeat(101))).toBe(false);
    expect(isSafeName("Qwen3-30B-A3B (1)-UD-Q4_K_XL-00001-of-00002.gguf")).toBe(true);
  });
});

describe("of the files of a repository", () => {
  const choose = (paths: readonly string[], wish: Partial<FileWish> = {}): string[] =>
    chooseFiles(
      paths.map((path) => ({ path, sizeBytes: 1 })),
      { repo: "org/m", ...wish },
    ).map(({ path }) => path);
  const ALL = ["m-BF16.gguf", "m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf", "README.md", "m.imatrix.gguf"];

  test("Q4_K_M comes first, then what is near, and what is only for training last", () => {
    expect(choose(ALL)).toEqual(["m-Q4_K_M.gguf"]);
    expect(choose(ALL.filter((path) => !path.includes("Q4")))).toEqual(["m-Q8_0.gguf"]);
    expect(choose(["m-f16.gguf", "m-q2_k.gguf"])).toEqual(["m-q2_k.gguf"]);
    expect(choose(["gpt-oss-20b-mxfp4.gguf", "gpt-oss-20b-Q8_0.gguf"])).toEqual(["gpt-oss-20b-mxfp4.gguf"]);
    expect(choose(["model.gguf"])).toEqual(["model.gguf"]);
  });

  test("the quantization that was asked for is taken, letters in any case, and no other that begins so", () => {
    expect(choose(ALL, { quantization: "q8_0" })).toEqual(["m-Q8_0.gguf"]);
    expect(choose(["m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf"], { quantization: "UD-Q4_K_M" })).toEqual([
      "m-UD-Q4_K_M.gguf",
    ]);
    expect(choose(["m-UD-Q4_K_XL.gguf"], { quantization: "Q4_K_XL" })).toEqual(["m-UD-Q4_K_XL.gguf"]);
    expect(() => choose(ALL, { quantization: "Q4_K" })).toThrow("There is: BF16, Q2_K, Q4_K_M, Q8_0");
    expect(() => choose(ALL, { file: "other.gguf" })).toThrow("has no `other.gguf`");
  });

  test("all parts of a model come, in order, or none", () => {
    const parts = [
      "Q8_0/m-Q8_0-00002-of-00003.gguf",
      "Q8_0/m-Q8_0-00001-of-00003.gguf",
      "Q8_0/m-Q8_0-00003-of-00003.gguf",
    ];
    expect(choose(parts)).toEqual(parts.toSorted());
    expect(choose(parts, { file: parts[0] })).toEqual(parts.toSorted());
    expect(() => choose(parts.slice(0, 2))).toThrow("`m-Q8_0-00003-of-00003.gguf` is missing");
  });

  test("the projector of a model that sees comes too, the one in 16 bits", () => {
    const vision = ["m-Q4_K_M.gguf", "mmproj-m-f32.gguf", "mmproj-m-f16.gguf"];
    expect(choose(vision)).toEqual(["m-Q4_K_M.gguf", "mmproj-m-f16.gguf"]);
    expect(choose(vision, { file: "mmproj-m-f32.gguf" })).toEqual(["mmproj-m-f32.gguf"]);
  });

  test("none is taken whose name leads elsewhere, and a repository without any says where to look", () => {
    expect(choose(["../../x-Q4_K_M.gguf", "/etc/x-Q4_K_M.gguf", "con.gguf", "m-Q8_0.gguf"])).toEqual([
      "m-Q8_0.gguf",
    ]);
    expect(() => choose(["model.safetensors", "a/../b.gguf"])).toThrow("look for `m-GGUF`");
    expect(() => choose(["one.gguf", "two.gguf"])).toThrow("There is: one.gguf, two.gguf");
  });
});

describe("the hub", () => {
  const read = (env: Record<string, string>): Promise<unknown> =>
    readHubAccess({ env, userHome: "/nowhere", version: "1.2.3" });

  test("is Hugging Face's, or what HF_ENDPOINT says", async () => {
    expect(await read({})).toMatchObject({ endpoint: "https://huggingface.co", token: undefined });
    expect(await read({ HF_ENDPOINT: "http://10.0.0.1:8080/hf/", HF_TOKEN: " hf_x " })).toMatchObject({
      endpoint: "http://10.0.0.1:8080/hf",
      token: "hf_x",
    });
    for (const HF_ENDPOINT of ["mirror", "ftp://x", "https://user:pw@x"])
      await expect(read({ HF_ENDPOINT })).rejects.toMatchObject({ code: "config_invalid" });
  });

  test("gets no token that would break a header, and the error does not show it", async () => {
    const bad = await read({ HF_TOKEN: "hf_a\nx-evil: 1" }).catch((thrown: Error) => thrown.message);
    expect(bad).toContain("`HF_TOKEN` holds no token");
    expect(bad).not.toContain("hf_a");
  });
});

test("a rate is that of the last seconds", () => {
  let now = 0;
  const meter = createRateMeter(() => now);
  meter.add(0);
  expect(meter.bytesPerSecond()).toBeUndefined();
  for (; now <= 10_000; now += 1000) meter.add(now * 100);
  expect(meter.bytesPerSecond()).toBeCloseTo(100_000, -2);
  for (; now <= 30_000; now += 1000) meter.add(1_000_000);
  expect(meter.bytesPerSecond()).toBe(0);
});
