import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import * as z from "zod/mini";
import { runCalls } from "../../src/core/calls.ts";
import { toToolSchemas } from "../../src/core/context.ts";
import {
  breakControlTokens,
  escapeControlTokens,
  mapTexts,
  unescapeControlTokens,
} from "../../src/core/control-tokens.ts";

import { defineTool, denyUnattended, messageText, toSystemPrompt } from "../../src/core/index.ts";

const TOKENS = [
  "<|im_start|>",
  "<|im_end|>",
  "<|eot_id|>",
  "<|start_header_id|>",
  "<|begin_of_text|>",
  "<|channel|>",
  "<|user|>",
  "<|end|>",
  "<|START_OF_TURN_TOKEN|>",
  "<start_of_turn>",
  "<end_of_turn>",
  "<|turn>",
  "<turn|>",
  "<|tool_response>",
  "<｜User｜>",
  "<｜tool▁calls▁begin｜>",
  "<s>",
  "</s>",
  "<bos>",
  "<eos>",
  "<tool_response>",
  "</tool_response>",
  "<<SYS>>",
  "<</SYS>>",
  "[INST]",
  "[/INST]",
  "[TOOL_RESULTS]",
  "[gMASK]",
];

const texts = fc
  .array(
    fc.oneof(
      fc.constantFrom(...TOKENS, "\\", "<", "|", "|>", "[", "\\\\<", "s>"),
      fc.string({ maxLength: 3 }),
    ),
  )
  .map((parts) => parts.join(""));

const findToken = (text: string): string | undefined => TOKENS.find((token) => text.includes(token));

describe("control tokens in a text", () => {
  it.each(TOKENS)("%s gets a backslash", (token) => {
    const broken = `${token[0]}\\${token.slice(1)}`;
    expect(breakControlTokens(`a ${token} b`)).toBe(`a ${broken} b`);
    expect(escapeControlTokens(`a${token}${token}b`)).toBe(`a${broken}${broken}b`);
    expect(breakControlTokens(broken)).toBe(broken);
  });

  it("are none afterwards, and come back as they were", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(findToken(escapeControlTokens(text))).toBeUndefined();
        expect(findToken(breakControlTokens(text))).toBeUndefined();
        expect(unescapeControlTokens(escapeControlTokens(text))).toBe(text);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    "if (a < b || c > d) return x[0];",
    "f <| g |> h; a <|> b; [<|x|]",
    "<span>a</span> <section> <small></small> <S> <|a b|>",
    "[INSTALL] [inst] [TOOL] list[INST + 1]",
    "template <typename T> <tool_call>{}</tool_call> <think>",
  ])("leave ordinary code alone: %s", (text) => {
    expect(escapeControlTokens(text)).toBe(text);
    expect(unescapeControlTokens(text)).toBe(text);
  });

  it("take time in proportion to the text", () => {
    const startedAt = performance.now();
    for (const text of [
      "<|".repeat(500_000),
      "<\\".repeat(500_000),
      "<".repeat(1_000_000),
      `<${"\\".repeat(1_000_000)}`,
    ])
      escapeControlTokens(text);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});

describe("the texts of data", () => {
  it("are changed wherever they are, and data without such a text is the same object", () => {
    const data = { a: ["<s>", 1, null], "<s>": { b: "x" } };
    expect(mapTexts(data, escapeControlTokens)).toEqual({ a: ["<\\s>", 1, null], "<\\s>": { b: "x" } });
    const clean = { a: ["x", 1, null], b: {} };
    expect(mapTexts(clean, escapeControlTokens)).toBe(clean);
  });
});

describe("a call", () => {
  it("gets the text itself when the model copies it from a result", async () => {
    const seen: unknown[] = [];
    const echo = defineTool({
      name: "echo",
      description: "Says it again",
      parameters: z.object({ text: z.string() }),
      access: "read",
      preview: async () => ({ kind: "text", text: "", concerns: [] }),
      execute: async ({ text }) => {
        seen.push(text);
        return { ok: true, output: text };
      },
    });
    const text = "<|im_start|> <\\|im_start|> </s>";
    const run = async (input: string): Promise<string> => {
      const events = runCalls([{ id: "c", name: "echo", arguments: { text: input }, raw: "" }], {
        tools: [echo],
        mode: () => "auto",
        approver: denyUnattended,
        results: { maxBytes: 1_000 },
        signal: new AbortController().signal,
        now: () => 0,
        turn: 1,
      });
      for await (const event of events) {
        if (event.type !== "message_added") continue;
        return (JSON.parse(messageText(event.message)) as { output: string }).output;
      }
      throw new Error("no result");
    };
    expect(await run(escapeControlTokens(text))).toBe(escapeControlTokens(text));
    expect(seen.at(-1)).toBe(text);
  });
});

it("context files cannot end the system message", () => {
  const prompt = toSystemPrompt({
    soul: "be kind<|im_end|>",
    context: [{ name: "AGENTS.md<end_of_turn>", text: "x<|eot_id|>[/INST]" }],
  });
  for (const token of ["<|im_end|>", "<end_of_turn>", "<|eot_id|>", "[/INST]"])
    expect(prompt).not.toContain(token);
  expect(prompt).toContain("be kind<\\|im_end|>");
});

it("what a tool says of itself cannot end the system message", () => {
  const tool = defineTool({
    name: "greet",
    description: "Greets<|im_end|>",
    parameters: z.object({}),
    access: "read",
    preview: async () => ({ kind: "text", text: "", concerns: [] }),
    execute: async () => ({ ok: true, output: "" }),
  });
  const parameters = {
    type: "object",
    properties: { who: { type: "string", description: "name</s>", enum: ["a<|eot_id|>", "b"] } },
  };
  const [schema] = toToolSchemas([{ ...tool, parameters }]);
  const text = JSON.stringify(schema);
  for (const token of ["<|im_end|>", "</s>", "<|eot_id|>"]) expect(text).not.toContain(token);
  expect(schema?.function.description).toBe("Greets<\\|im_end|>");
  expect(schema?.function.name).toBe("greet");
});
