import { describe, expect, test } from "vitest";
import { generate } from "../../src/engine/llama/generate.ts";
import type { LlamaModel, LlamaSlot, Token } from "../../src/engine/llama/llama.ts";
import type { TokenSource } from "../../src/engine/llama/llama-slot.ts";
import type { CallGrammar, GenerateEvent, GenerateRequest } from "../../src/engine/protocol.ts";

/** One token a word of this vocabulary; sampling follows a script, one entry for each stretch. */
const WORDS = [
  "<s>",
  "Hi",
  " <tool_",
  "call>{",
  "<tool_call>",
  '"a":1}',
  "</tool_call>",
  " and",
  " STOP",
  " more",
];

const toToken = (word: string): Token => WORDS.indexOf(word);

interface Stretch {
  tokens: readonly Token[];
  gbnf: string | undefined;
}

/** Stands for a slot of a model that says the words of `script`, one list for each grammar that takes over. */
function createScript(script: readonly string[][], { held = [] as Token[], contextTokens = 100 } = {}) {
  const stretches: Stretch[] = [];
  const evaluated: number[] = [];
  let length = held.length;
  const evaluate = async (tokens: readonly Token[]): Promise<void> => {
    evaluated.push(tokens.length);
    length += tokens.length;
  };
  const startSampling = (): TokenSource => {
    let gbnf: string | undefined;
    let words: Token[] | undefined;
    return {
      drafted: 0,
      accepted: 0,
      useGrammar: (next) => {
        gbnf = next;
        words = undefined;
      },
      next: async (tokens) => {
        await evaluate(tokens);
        if (words === undefined) {
          words = (script[stretches.length] ?? []).map(toToken);
          stretches.push({ tokens, gbnf });
        }
        const token = words.shift();
        return token === undefined ? undefined : { token };
      },
      end: async () => undefined,
    };
  };
  const slot: LlamaSlot = {
    index: 3,
    get length() {
      return length;
    },
    forgetsParts: true,
    prefixLength: (tokens) => {
      const at = tokens.findIndex((token, place) => held[place] !== token);
      return at < 0 ? tokens.length : at;
    },
    keep: async (count) => {
      length = Math.min(length, count);
    },
    copyFrom: async () => false,
    remember: async () => undefined,
    evaluate,
    startSampling,
  };
  const model = {
    facts: { contextTokens },
    bytesOf: (token: Token) => Buffer.from(WORDS[token] ?? ""),
    tokenizePiece: (text: string) => [1000 + text.length],
  } as unknown as LlamaModel;
  return { slot, model, stretches, evaluated };
}

const grammar: CallGrammar = {
  afterOpen: "AFTER",
  open: "<tool_call>",
  close: "</tool_call>",
  single: false,
};
const thinking = { open: "<think>", close: "</think>", startsInside: false };

interface RunOptions extends Partial<GenerateRequest> {
  tokens?: Token[];
  signal?: AbortSignal;
}

async function run(
  script: ReturnType<typeof createScript>,
  { tokens = [0, 0, 0], signal, ...request }: RunOptions = {},
) {
  const events: GenerateEvent[] = [];
  const full = { prompt: "", sampling: { temperature: 0, topP: 1, topK: 0, minP: 0 }, stop: [], ...request };
  const { model, slot } = script;
  const options = {
    model,
    slot,
    tokens,
    request: full,
    sliceTokens: 4,
    signal: signal ?? new AbortController().signal,
  };
  for await (const event of generate(options)) events.push(event);
  return {
    events,
    text: events.map((event) => (event.type === "text" ? event.text : "")).join(""),
    done: events.at(-1) as Extract<GenerateEvent, { type: "done" }>,
  };
}

describe("a generation", () => {
  test("reads the prompt in slices, without what the slot holds, and leaves the last slice to sampling", async () => {
    const script = createScript([["Hi"]], { held: [1, 2, 3, 9, 9] });
    const { events, done } = await run(script, { tokens: [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2] });
    expect(script.evaluated.slice(0, 3)).toEqual([4, 4, 1]);
    expect(script.stretches).toEqual([{ tokens: [2], gbnf: undefined }]);
    expect(
      events
        .filter(({ type }) => type === "progress")
        .map((event) => event.type === "progress" && event.processed),
    ).toEqual([3, 7, 11]);
    expect(done).toMatchObject({
      reason: "end",
      slot: 3,
      timings: { promptTokens: 12, cachedTokens: 3, completionTokens: 1 },
    });
  });

  test("evaluates at least one token of a prompt that the slot holds whole", async () => {
    const script = createScript([["Hi"]], { held: [1, 2, 3] });
    expect((await run(script, { tokens: [1, 2, 3] })).done.timings.cachedTokens).toBe(2);
  });

  test("stops reading after the slice in which it was cancelled", async () => {
    const abort = new AbortController();
    const script = createScript([["Hi"]]);
    const { slot } = script;
    const evaluate = slot.evaluate.bind(slot);
    slot.evaluate = async (tokens) => {
      await evaluate(tokens);
      abort.abort();
    };
    const { done } = await run(script, { tokens: Array.from({ length: 50 }, () => 1), signal: abort.signal });
    expect([done.reason, script.evaluated, script.stretches]).toEqual(["cancelled", [4], []]);
  });

  test("hands over to the grammar at the tag, and back behind the call", async () => {
    const script = createScript([["Hi", "<tool_call>"], ["call>{", '"a":1}', "</tool_call>"], [" and"]]);
    const { text } = await run(script, { grammar: { calls: grammar, thinking } });
    expect(text).toBe('Hi<tool_call>call>{"a":1}</tool_call> and');
    expect(script.stretches.map(({ gbnf }) => gbnf)).toEqual([undefined, "AFTER", undefined]);
    expect(script.stretches.map(({ tokens }) => tokens)).toEqual([
      [0, 0, 0],
      [toToken("<tool_call>")],
      [toToken("</tool_call>")],
    ]);
  });

  test("cuts a token that reaches beyond the tag, so that the grammar rules from its first character", async () => {
    const script = createScript([["Hi", " <tool_", "call>{"], []]);
    const { text } = await run(script, { grammar: { calls: grammar, thinking } });
    expect(text).toBe("Hi <tool_call>");
    expect(script.stretches[1]).toEqual({ tokens: [1000 + "call>".length], gbnf: "AFTER" });
  });

  test("ends with the first call when only one is wanted", async () => {
    const script = createScript([["<tool_call>"], ["call>{", '"a":1}', "</tool_call>"], [" more"]]);
    const { text, done } = await run(script, { grammar: { calls: { ...grammar, single: true }, thinking } });
    expect([text.endsWith("</tool_call>"), done.reason, script.stretches.length]).toEqual([
      true,
      "call_complete",
      2,
    ]);
  });

  test("starts under the grammar when a call is mandatory", async () => {
    const script = createScript([["<tool_call>"]]);
    await run(script, { grammar: { calls: { ...grammar, fromStart: "START" }, thinking } });
    expect(script.stretches[0]?.gbnf).toBe("START");
  });

  test("ends at a stop string, at its limit, and where the context is full", async () => {
    const words = ["Hi", " and", " STOP", " more"];
    const stopped = await run(createScript([words]), { stop: [" STOP"] });
    expect([stopped.text, stopped.done.reason]).toEqual(["Hi and", "stop_string"]);
    const limited = await run(createScript([words]), { maxTokens: 2, stop: ["and more"] });
    expect([limited.text, limited.done.reason]).toEqual(["Hi and", "length"]);
    const full = await run(createScript([words], { contextTokens: 6 }));
    expect([full.done.reason, full.done.timings.completionTokens]).toEqual(["length", 3]);
  });
});
