/**
 * What every engine must do, whatever runs the model. Give it the functions of your test runner and an engine over the practice
 * model with two slots of 4,096 tokens:
 *
 *     describeEngine("mine", () => engine, { describe, it });
 */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { AgentError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type {
  CallGrammar,
  GenerateEvent,
  GenerateRequest,
  Sampling,
  TokenLogprob,
} from "../engine/protocol.ts";
import type { TestRunner } from "./sandbox.ts";

const GREEDY: Sampling = { temperature: 0, topP: 1, topK: 40, minP: 0 };
const WILD: Sampling = { temperature: 2, topP: 1, topK: 0, minP: 0 };
const CONTEXT_TOKENS = 4096;
const HELLO = toPrompt("Hi");
const READ = toPrompt("read the file notes.txt");
const CALL_BODY = String.raw`ws "{" ws "\"name\"" ws ":" ws "\"read\"" ws "," ws "\"arguments\"" ws ":" ws args ws "}" ws "</tool_call>"`;
const CALL_RULES = String.raw`
args ::= "{" ws "\"path\"" ws ":" ws "\"" [^"\\]+ "\"" ws "}"
ws ::= [ \n]{0,2}`;
const CALL: CallGrammar = {
  afterOpen: `root ::= ${CALL_BODY}${CALL_RULES}`,
  open: "<tool_call>",
  close: "</tool_call>",
  single: false,
};
const FORCED_CALL: CallGrammar = {
  ...CALL,
  fromStart: `root ::= "<tool_call>" ${CALL_BODY}${CALL_RULES}`,
  single: true,
};

interface Run {
  text: string;
  events: readonly GenerateEvent[];
  done: Extract<GenerateEvent, { type: "done" }>;
  logprobs: readonly TokenLogprob[];
}

type Case = readonly [title: string, check: (engine: Engine) => Promise<void>];

const never = new AbortController().signal;

async function run(engine: Engine, request: Partial<GenerateRequest>, signal = never): Promise<Run> {
  const events: GenerateEvent[] = [];
  const full: GenerateRequest = { prompt: HELLO, sampling: GREEDY, stop: [], ...request };
  for await (const event of engine.generate(full, { signal })) events.push(event);
  const done = events.at(-1);
  assert(done?.type === "done", "the last event is `done`");
  const texts = events.filter((event) => event.type === "text");
  return {
    events,
    done,
    text: texts.map(({ text }) => text).join(""),
    logprobs: texts.flatMap(({ logprobs = [] }) => logprobs),
  };
}

async function failureOf(work: Promise<unknown>): Promise<AgentError> {
  const thrown = await work.then(
    () => assert.fail("nothing was thrown"),
    (error: unknown) => error,
  );
  assert(AgentError.is(thrown), String(thrown));
  return thrown;
}

/** As the template of the practice model has it, with tools of the agent. */
function toPrompt(request: string): string {
  return `<|tools|>read write edit glob grep ls mkdir shell<|end|><|user|>${request}<|end|><|assistant|>`;
}

/** A prompt of at least as many tokens. */
function longPrompt(words: number): string {
  return toPrompt(Array.from({ length: words }, (_, at) => `word${at % 97}`).join(" "));
}

async function untilIdle(engine: Engine): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; await pause(20))
    if ((await engine.slots()).every(({ busy }) => !busy)) return;
  assert.fail("a slot stays busy");
}

const TEXT_CASES: readonly Case[] = [
  [
    "tells what the model is",
    async (engine) => {
      const facts = await engine.facts();
      assert.equal(facts.contextTokens, CONTEXT_TOKENS);
      assert.equal(facts.slots, 2);
      assert.match(facts.chatTemplate ?? "", /assistant/);
      assert.equal(facts.eosToken, "<|end|>");
      assert(facts.parameters > 3_500_000 && facts.parameters < 3_600_000);
    },
  ],
  [
    "accepts, tells its progress, writes and is done",
    async (engine) => {
      const { events, done, text } = await run(engine, {});
      const kinds = events.map(({ type }) => type).filter((type, at, all) => type !== all[at - 1]);
      assert.deepEqual(kinds, ["accepted", "progress", "text", "done"]);
      assert.equal(done.reason, "end");
      assert.match(text, /\w+/);
      const prompt = await engine.tokenize(HELLO, { special: true, begin: true });
      assert.equal(done.timings.promptTokens, prompt.length);
      assert(events[0]?.type === "accepted");
      assert.equal(events[0].promptTokens, prompt.length);
      const written = await engine.tokenize(text, { special: true, begin: false });
      assert.equal(done.timings.completionTokens, written.length);
    },
  ],
  [
    "reads tokens as it reads their text",
    async (engine) => {
      const tokens = await engine.tokenize(HELLO, { special: true, begin: true });
      assert.equal((await run(engine, { prompt: tokens })).text, (await run(engine, {})).text);
    },
  ],
  [
    "ends before a stop string and says which",
    async (engine) => {
      const { text } = await run(engine, {});
      const stop = text.slice(9, 14);
      const stopped = await run(engine, { stop: ["never written", stop] });
      assert.equal(stopped.text, text.slice(0, text.indexOf(stop)));
      assert.deepEqual([stopped.done.reason, stopped.done.stopString], ["stop_string", stop]);
    },
  ],
  [
    "keeps the beginning of a stop string that does not come",
    async (engine) => {
      const { text } = await run(engine, {});
      const kept = await run(engine, { stop: [`${text.slice(-3)} and more`] });
      assert.equal(kept.text, text);
    },
  ],
  [
    "ends at the limit",
    async (engine) => {
      const { done } = await run(engine, { maxTokens: 5 });
      assert.deepEqual([done.reason, done.timings.completionTokens], ["length", 5]);
    },
  ],
  [
    "writes the same with the same seed, and something else with another",
    async (engine) => {
      const write = (seed: number): Promise<Run> =>
        run(engine, { sampling: { ...WILD, seed }, maxTokens: 30, slot: 0 });
      const [first, again, other] = [await write(7), await write(7), await write(8)];
      assert.equal(first.text, again.text);
      assert.notEqual(first.text, other.text);
    },
  ],
  [
    "never writes a token that is ruled out",
    async (engine) => {
      const { logprobs } = await run(engine, { logprobs: 1, maxTokens: 1 });
      const first = await engine.tokenize(logprobs[0]?.token ?? "", { special: true, begin: false });
      const logitBias = first.map((token) => ({ token, bias: -100 }));
      const without = await run(engine, { sampling: { ...GREEDY, logitBias }, logprobs: 1, maxTokens: 1 });
      assert.notEqual(without.logprobs[0]?.token, logprobs[0]?.token);
    },
  ],
  [
    "tells the log-probability of every token and of the likeliest others",
    async (engine) => {
      const { text, logprobs } = await run(engine, { logprobs: 3 });
      assert.equal(logprobs.map(({ token }) => token).join(""), text);
      for (const { logprob, token, top, bytes } of logprobs) {
        assert(logprob <= 0 && logprob > -1, `the likeliest token has ${logprob}`);
        assert.equal(top.length, 3);
        assert.equal(top[0]?.token, token);
        assert.deepEqual([...bytes], [...Buffer.from(token)]);
      }
      const plain = await run(engine, { logprobs: 0, maxTokens: 1 });
      assert.deepEqual(plain.logprobs[0]?.top, []);
    },
  ],
  [
    "turns text into tokens and back",
    async (engine) => {
      const text = 'Grüße, 世界 😀\n\tx = {"a": 1}';
      const tokens = await engine.tokenize(text, { special: false, begin: false });
      assert.equal(await engine.detokenize(tokens, {}), text);
      const asControl = await engine.tokenize("<|user|>", { special: true, begin: false });
      const asText = await engine.tokenize("<|user|>", { special: false, begin: false });
      assert.equal(asControl.length, 1);
      assert(asText.length > 1);
    },
  ],
  [
    "does not read again what a slot holds",
    async (engine) => {
      const prompt = longPrompt(100);
      const first = await run(engine, { prompt, maxTokens: 1, slot: 1 });
      const second = await run(engine, { prompt, maxTokens: 1, slot: 1 });
      assert.equal(second.done.slot, 1);
      assert(second.done.timings.cachedTokens >= first.done.timings.promptTokens - 2);
    },
  ],
];

const GRAMMAR_CASES: readonly Case[] = [
  [
    "answers as a grammar says",
    async (engine) => {
      const answer = 'root ::= "yes, " [0-9]{3} | "no"';
      for (const seed of [1, 2, 3]) {
        const { text, done } = await run(engine, { grammar: { answer }, sampling: { ...WILD, seed } });
        assert.match(text, /^(yes, \d{3}|no)$/);
        assert.equal(done.reason, "end");
      }
    },
  ],
  [
    "answers as a grammar says also where thinking may come first",
    async (engine) => {
      const answer = String.raw`root ::= "{\"name\":\"" [a-z]{1,8} "\"}"`;
      const thinking = { open: "<think>", close: "</think>", startsInside: false };
      const { text } = await run(engine, { grammar: { answer, thinking }, maxTokens: 100 });
      assert.match(text, /^\{"name":"[a-z]{1,8}"\}$/);
    },
  ],
  [
    "writes a call that it must write, and nothing else",
    async (engine) => {
      const { text, done } = await run(engine, { prompt: READ, grammar: { calls: FORCED_CALL } });
      assert.deepEqual(toCalls(text), [{ name: "read", arguments: { path: "notes.txt" } }]);
      assert.equal(done.reason, "call_complete");
    },
  ],
  [
    "writes text as it likes, and a call as its grammar says",
    async (engine) => {
      const thinking = { open: "<think>", close: "</think>", startsInside: false };
      const call = await run(engine, { prompt: READ, grammar: { calls: CALL, thinking } });
      assert.deepEqual(toCalls(call.text), [{ name: "read", arguments: { path: "notes.txt" } }]);
      const free = await run(engine, { grammar: { calls: CALL, thinking } });
      assert.equal(free.text, (await run(engine, {})).text);
    },
  ],
  [
    "refuses a grammar that is none",
    async (engine) => {
      const { code, message } = await failureOf(run(engine, { grammar: { answer: "root ::= missing" } }));
      assert.equal(code, "engine_failed", message);
      assert.equal((await run(engine, { maxTokens: 1 })).done.reason, "length");
    },
  ],
];

function toCalls(text: string): unknown[] {
  return [...text.matchAll(/<tool_call>([^]*?)<\/tool_call>/g)].map(([, json]) => JSON.parse(json ?? ""));
}

const LIMIT_CASES: readonly Case[] = [
  [
    "refuses a prompt that does not fit, with both counts, and serves on",
    async (engine) => {
      const { code, data } = await failureOf(run(engine, { prompt: longPrompt(CONTEXT_TOKENS) }));
      assert.equal(code, "context_overflow");
      assert.equal(data["contextTokens"], CONTEXT_TOKENS);
      assert(Number(data["promptTokens"]) > CONTEXT_TOKENS);
      assert.equal((await run(engine, { maxTokens: 1 })).done.reason, "length");
    },
  ],
  [
    "stops where the context is full",
    async (engine) => {
      const prompt = Array.from({ length: CONTEXT_TOKENS - 8 }, (_, at) => 100 + (at % 50));
      const { done } = await run(engine, { prompt, sampling: { ...GREEDY, ignoreEnd: true } });
      assert.equal(done.reason, "length");
      assert.equal(done.timings.completionTokens, 8);
    },
  ],
  [
    "refuses an empty prompt and a slot that there is not",
    async (engine) => {
      for (const wrong of [{ prompt: "" }, { prompt: [] }, { slot: 2 }])
        assert.equal((await failureOf(run(engine, wrong))).data["reason"], "invalid_request");
    },
  ],
  [
    "refuses images where it cannot see, and embeddings of a chat model",
    async (engine) => {
      const images = [{ mediaType: "image/png", base64: "iVBORw0KGgo=" }];
      assert.equal((await failureOf(run(engine, { images }))).data["reason"], "unsupported");
      const embedded = engine.embed({ inputs: ["a"] }, { signal: never });
      assert.equal((await failureOf(embedded)).data["reason"], "unsupported");
    },
  ],
  [
    "stops reading a prompt when it is cancelled",
    async (engine) => {
      const abort = new AbortController();
      const reason = new Error("the user is gone");
      const request = { prompt: longPrompt(450), sampling: GREEDY, stop: [] };
      const reading = async (): Promise<void> => {
        for await (const { type } of engine.generate(request, { signal: abort.signal }))
          if (type === "progress") abort.abort(reason);
      };
      await assert.rejects(reading, (thrown) => thrown === reason);
      await untilIdle(engine);
    },
  ],
  [
    "frees its slot when nobody listens any more",
    async (engine) => {
      const request = { prompt: HELLO, sampling: { ...GREEDY, ignoreEnd: true }, stop: [] };
      for await (const { type } of engine.generate(request, { signal: never })) if (type === "text") break;
      await untilIdle(engine);
    },
  ],
  [
    "does not begin what is cancelled already",
    async (engine) => {
      const reason = new Error("too late");
      await assert.rejects(run(engine, {}, AbortSignal.abort(reason)), (thrown) => thrown === reason);
    },
  ],
  [
    "serves more requests at once than it has slots",
    async (engine) => {
      const { text } = await run(engine, {});
      const all = await Promise.all(Array.from({ length: 6 }, () => run(engine, {})));
      assert.deepEqual(new Set(all.map((one) => one.text)), new Set([text]));
    },
  ],
];

/** `engine` is asked for once a case, so that it may be the same one; a case leaves nothing running on it. */
export function describeEngine(
  name: string,
  engine: () => Promise<Engine> | Engine,
  { describe, it }: TestRunner,
): void {
  describe(`the engine ${name}`, () => {
    for (const [title, check] of [...TEXT_CASES, ...GRAMMAR_CASES, ...LIMIT_CASES])
      it(title, async () => check(await engine()));
  });
}
