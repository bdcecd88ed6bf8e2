import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toServerArguments, toServerEnvironment } from "../../src/engine/llama-server/arguments.ts";
import { withoutBegin } from "../../src/engine/llama-server/completion-body.ts";
import { toControlTags } from "../../src/engine/llama-server/control-tags.ts";
import { createGate } from "../../src/engine/llama-server/gate.ts";
import { findLlamaServer } from "../../src/engine/llama-server/index.ts";
import { createLogTail } from "../../src/engine/llama-server/log-tail.ts";
import { toServerGrammar } from "../../src/engine/llama-server/reply-grammar.ts";
import type { CallGrammar, LoadOptions, ReplyGrammar } from "../../src/engine/protocol.ts";
import { accepts, parseGrammar } from "./_gbnf.ts";

const BODY = String.raw`root ::= "{" name "}" "</tool_call>"
name ::= "root" | [a-z"]{1,3} | "]"`;
const CALLS: CallGrammar = { afterOpen: BODY, open: "<tool_call>", close: "</tool_call>", single: false };
const FORCED = `root ::= "<tool_call>" rest\nrest ::= "{" name "}" "</tool_call>"\nname ::= "x"`;
const THINKING = { open: "<think>", close: "</think>", startsInside: false };

function allows(grammar: ReplyGrammar, text: string): boolean {
  return accepts(parseGrammar(toServerGrammar(grammar) ?? ""), text);
}

describe("the grammar of a whole reply", () => {
  it.each([
    ["", true],
    ["Text, <tool, <<tool_call and <tool_ca", true],
    ["Text <tool_call>{abc}</tool_call>", true],
    ["<tool_call>{root}</tool_call> and <<tool_call>{]}</tool_call> more", true],
    ["<tool_call>{ABC}</tool_call>", false],
    ["Text <<tool_call>no call", false],
    ["<tool_call>{abc}", false],
    ["<think> <tool_call> is written so", true],
    ["<think> <tool_call> </thin </think> <tool_call>oops", false],
    ["<think> </think><think></think> <tool_call>{a}</tool_call>", true],
  ])("with optional calls and thinking: %j %s", (text, expected) => {
    expect(allows({ calls: CALLS, thinking: THINKING }, text)).toBe(expected);
  });

  it("begins in the middle of thinking where the prompt has opened it", () => {
    const grammar = { calls: CALLS, thinking: { ...THINKING, startsInside: true } };
    expect(allows(grammar, "a <tool_call> b</think><tool_call>{a}</tool_call>")).toBe(true);
    expect(allows(grammar, "a <tool_call> b</think><tool_call>no")).toBe(false);
  });

  it("ends with the only call", () => {
    const grammar = { calls: { ...CALLS, single: true } };
    expect(allows(grammar, "Text <tool_call>{a}</tool_call>")).toBe(true);
    expect(allows(grammar, "<tool_call>{a}</tool_call> more")).toBe(false);
  });

  it("starts with a call that is mandatory, whatever its rules are called", () => {
    const several = { calls: { ...CALLS, fromStart: FORCED } };
    expect(allows(several, "<tool_call>{x}</tool_call>")).toBe(true);
    expect(allows(several, "<tool_call>{x}</tool_call> and <tool_call>{]}</tool_call>")).toBe(true);
    expect(allows(several, "First <tool_call>{x}</tool_call>")).toBe(false);
    const single = { calls: { ...CALLS, single: true, fromStart: FORCED } };
    expect(toServerGrammar(single)).toBe(FORCED);
  });

  it("lets the model think before its answer, and not instead of it", () => {
    const answer = 'root ::= "yes" | no\nno ::= "no"';
    expect(toServerGrammar({ answer })).toBe(answer);
    const free = { answer, thinking: THINKING };
    expect(["yes", "<think>yes or no</think>\n\nno"].map((text) => allows(free, text))).toEqual([true, true]);
    expect(["", "<think>yes</think>", "maybe"].map((text) => allows(free, text))).toEqual([
      false,
      false,
      false,
    ]);
    const inside = { answer, thinking: { ...THINKING, startsInside: true } };
    expect(["so</think>yes", "yes"].map((text) => allows(inside, text))).toEqual([true, false]);
  });

  it("knows tags of other letters", () => {
    const open = "<｜tool▁call▁begin｜>";
    const calls = { ...CALLS, open };
    expect(allows({ calls }, `<｜tool ${open}{a}</tool_call>`)).toBe(true);
    expect(allows({ calls }, `${open}no`)).toBe(false);
  });

  it("takes tags of no letters for none", () => {
    const thinking = { open: "", close: "", startsInside: true };
    expect(toServerGrammar({ answer: 'root ::= "a"', thinking })).toBe('root ::= "a"');
    expect(allows({ calls: CALLS, thinking }, "Text <tool_call>{a}</tool_call>")).toBe(true);
  });

  it("is none where nothing is constrained", () => {
    expect(toServerGrammar({ thinking: THINKING })).toBeUndefined();
  });
});

describe("control tokens that have to stay in the text", () => {
  it("are those that the template writes calls and thinking with", () => {
    const chatTemplate =
      "<|start|>assistant<|channel|>analysis<|message|>x<|end|> [TOOL_CALLS] <｜tool▁sep｜> <|im_start|> <b> a < b >";
    const tags = toControlTags({ chatTemplate, eosToken: "<|tool_end|>" });
    expect(tags).toEqual(
      expect.arrayContaining(["<|channel|>", "<|message|>", "[TOOL_CALLS]", "<｜tool▁sep｜>"]),
    );
    expect(tags).toEqual(expect.arrayContaining(["<|start|>", "<|end|>"]));
    expect(tags).not.toContain("<|im_start|>");
    expect(tags).not.toContain("<b>");
  });

  it("are those of the grammar, and never the end of a reply", () => {
    const calls = { ...CALLS, open: "<|ask|>", close: "<|eot|>" };
    const tags = toControlTags({ chatTemplate: "<|call|>", eosToken: "<|eot|>" }, { calls });
    expect(tags).toContain("<|ask|>");
    expect(tags).not.toContain("<|eot|>");
    expect(tags).not.toContain("<|call|>");
    expect(toControlTags({ chatTemplate: "<|user|>x<|end|>", eosToken: "" })).not.toContain("<|end|>");
  });
});

describe("flags", () => {
  const load: LoadOptions = {
    modelPath: "/m.gguf",
    contextTokens: 4096,
    shrinkToFit: false,
    slots: 3,
    threads: 2,
    gpu: "auto",
    sliceTokens: 256,
  };
  const place = { host: "127.0.0.1", port: 1, modelPath: "/m.gguf" };
  const after = (all: string[], flag: string): string | undefined => all[all.indexOf(flag) + 1];

  it("give every slot its whole context", () => {
    const all = toServerArguments(load, place);
    expect([after(all, "--ctx-size"), after(all, "--parallel")]).toEqual(["12288", "3"]);
    expect(all).not.toContain("--n-gpu-layers");
    expect(all).toContain("--jinja");
  });

  it("keep everything on the processor when asked to, and an embedding in one batch", () => {
    const all = toServerArguments({ ...load, gpu: false, purpose: "embedding" }, place);
    expect(after(all, "--n-gpu-layers")).toBe("0");
    expect([after(all, "--batch-size"), after(all, "--ubatch-size")]).toEqual(["4096", "4096"]);
    expect(all).toContain("--embeddings");
  });

  it("tell of projector, draft model and flash attention", () => {
    const speculation = { type: "draft", modelPath: "/d.gguf", maxTokens: 5 } as const;
    const wanted = { ...load, speculation, flashAttention: false };
    const all = toServerArguments(wanted, { ...place, projectorPath: "/p.gguf" });
    expect([after(all, "--mmproj"), after(all, "--model-draft"), after(all, "--flash-attn")]).toEqual([
      "/p.gguf",
      "/d.gguf",
      "off",
    ]);
    const environment = toServerEnvironment(wanted, { apiKey: "k" });
    expect(environment).toMatchObject({ LLAMA_API_KEY: "k", LLAMA_ARG_SPEC_DRAFT_N_MAX: "5" });
    expect(all.join(" ")).not.toContain("k ");
  });
});

describe("the program on this machine", () => {
  it("is the configured one alone, else the first in PATH", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lmagent-path-"));
    try {
      const path = join(folder, "llama-server");
      await writeFile(path, "#!/bin/sh\n");
      expect(findLlamaServer({ searchPath: folder })).toMatchObject({ found: false });
      await chmod(path, 0o755);
      expect(findLlamaServer({ searchPath: `relative:/nowhere:${folder}` })).toEqual({ found: true, path });
      expect(findLlamaServer({ configured: path, searchPath: "" })).toEqual({ found: true, path });
      const missing = findLlamaServer({ configured: "/nowhere/llama-server", searchPath: folder });
      expect(missing).toEqual({ found: false, reason: expect.stringContaining("`/nowhere/llama-server`") });
      expect(findLlamaServer({ configured: folder })).toMatchObject({ found: false });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("small parts", () => {
  it("a begin token that the server adds is not written twice", () => {
    expect(withoutBegin("<s>Hi", { addsBegin: true, bosToken: "<s>" })).toBe("Hi");
    expect(withoutBegin("<s>Hi", { addsBegin: false, bosToken: "<s>" })).toBe("<s>Hi");
    expect(withoutBegin("Hi", { addsBegin: true, bosToken: "" })).toBe("Hi");
  });

  it("the end of a log is some lines without control characters", () => {
    const tail = createLogTail();
    for (let line = 0; line < 5_000; line += 1) tail.push(`\u001B[31mline ${line}\u001B[0m\u0007\r\n`);
    expect(tail.read().split("\n")).toHaveLength(20);
    expect(tail.read()).toMatch(/^line 4980\nline 4981\n[^]*line 4999$/);
  });

  it("a gate lets through in order, refuses what is too much, and forgets who left", async () => {
    const gate = createGate(1, 2);
    const { signal } = new AbortController();
    const leave = await gate.enter(signal);
    const order: number[] = [];
    const abort = new AbortController();
    const second = gate.enter(abort.signal);
    const third = gate.enter(signal).then((done) => {
      order.push(3);
      return done;
    });
    await expect(gate.enter(signal)).rejects.toMatchObject({ data: { reason: "queue_full" } });
    abort.abort(new Error("gone"));
    await expect(second).rejects.toThrow("gone");
    const fourth = gate.enter(signal).then((done) => {
      order.push(4);
      return done;
    });
    leave();
    leave();
    (await third)();
    (await fourth)();
    expect(order).toEqual([3, 4]);
    await gate.enter(signal);
  });
});
