import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toFileEntry } from "../../src/engine/catalog/catalog.ts";
import { writeTinyModel } from "../../src/testing/tiny-model.ts";
import { startInProcess } from "./_in-process.ts";
import type { InProcessServer } from "./_in-process.ts";

let folder: string;
let server: InProcessServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lmagent-infill-"));
  const path = join(folder, "coder.gguf");
  await writeTinyModel(path, { script: ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "middle"] });
  server = await startInProcess([await toFileEntry(path)]);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

test("a suffix makes models with tokens for it fill the gap", async () => {
  const { json } = await server.post("/api/generate", {
    model: "coder",
    prompt: "ab",
    suffix: "cd",
    stream: false,
    options: { temperature: 0 },
  });
  expect(json).toMatchObject({ response: "middle", done_reason: "stop" });
  expect("context" in json).toBe(false);
});
