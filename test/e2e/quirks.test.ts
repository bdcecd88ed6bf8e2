import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  callReply,
  errorReply,
  hangingReply,
  htmlReply,
  startScriptedServer,
  streamReply,
  textReply,
  toChunk,
  type ScriptedReply,
} from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent } from "./_agent.ts";

const command = "touch ran_a";
const call = { name: "shell", arguments: { command } };
const raw = (args: string): ScriptedReply => callReply([{ name: "shell", arguments: args }]);
const json = JSON.stringify({ name: "shell", arguments: { command } });

/** Answers a local server or model really gives, each meant to run `touch ran_a`. */
const RUNS: [string, ScriptedReply[]][] = [
  ["an ordinary call", [callReply([call])]],
  ["a call with finish reason stop", [callReply([call], { finish: "stop" })]],
  ["deltas without an index", [callReply([call], { style: "no_index" })]],
  ["deltas without an id", [callReply([call], { style: "no_id" })]],
  ["a whole call in one frame", [callReply([call], { style: "whole" })]],
  ["arguments as an object", [callReply([call], { style: "object" })]],
  ["a trailing comma", [raw(`{"command": "${command}",}`)]],
  ["a raw newline in a string", [raw(`{"command": "${command}\n"}`)]],
  ["single quotes", [raw(`{'command': '${command}'}`)]],
  ["a Hermes call in the text", [textReply(`<tool_call>\n${json}\n</tool_call>`)]],
  [
    "a Qwen call in the text",
    [
      textReply(
        `<tool_call>\n<function=shell>\n<parameter=command>\n${command}\n</parameter>\n</function>\n</tool_call>`,
      ),
    ],
  ],
  ["a fenced call", [textReply(`\`\`\`json\n${json}\n\`\`\``)]],
  ["a bare call", [textReply(json)]],
  ["a Mistral call", [textReply(`[TOOL_CALLS][${json}]`)]],
  ["an LM Studio call in the text", [textReply(`[TOOL_REQUEST]${json}[END_TOOL_REQUEST]`)]],
  [
    "a call in the thinking, and nothing else",
    [textReply("", { thinking: `<tool_call>${json}</tool_call>` })],
  ],
  ["a tool name one edit away", [callReply([{ ...call, name: "shel" }])]],
  ["an empty answer first", [textReply(""), callReply([call])]],
  ["only thinking first", [textReply("", { thinking: "I should touch it." }), callReply([call])]],
  ["an announcement first", [textReply("I'll run the command now:"), callReply([call])]],
  ["a 500 first", [errorReply(500, "oops"), callReply([call])]],
  ["a 503 while loading first", [errorReply(503, "Loading model"), callReply([call])]],
  [
    "a cut call first",
    [
      callReply([{ name: "shell", arguments: '{"command": "touch ran_' }], { finish: "length" }),
      callReply([call]),
    ],
  ],
];

describe("the agent does the work after", () => {
  it.each(RUNS)("%s", async (_name, replies) => {
    using place = createPlace();
    await using server = await startScriptedServer([...replies, textReply("Done.")]);
    const run = await runAgent(["--permission", "auto", "--json", "touch it"], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({ reason: "done", text: "Done." });
    expect(existsSync(join(place.workspace, "ran_a"))).toBe(true);
    expect(run.code).toBe(0);
    expect(server.chats).toHaveLength(replies.length + 1);
  });

  it("two calls with index 0 and different ids, both", async () => {
    using place = createPlace();
    const second = { name: "shell", arguments: { command: "touch ran_b" } };
    await using server = await startScriptedServer([
      callReply([call, second], { style: "index_zero" }),
      textReply("Done."),
    ]);
    await runAgent(["--permission", "auto", "--json", "touch them"], { place, url: server.url });
    expect(existsSync(join(place.workspace, "ran_a")) && existsSync(join(place.workspace, "ran_b"))).toBe(
      true,
    );
  });

  it("two calls of which one is broken: the good one runs, the other is explained", async () => {
    using place = createPlace();
    const broken = { name: "shell", arguments: '{"command": "touch ran_b' };
    await using server = await startScriptedServer([callReply([call, broken]), textReply("Done.")]);
    await runAgent(["--permission", "auto", "--json", "touch them"], { place, url: server.url });
    expect(existsSync(join(place.workspace, "ran_a"))).toBe(true);
    expect(existsSync(join(place.workspace, "ran_b"))).toBe(false);
    expect(server.chats[1]?.body).not.toContain("touch ran_b");
  });
});

describe("the agent does not run", () => {
  it.each<[string, ScriptedReply]>([
    [
      "a call inside a code fence that explains something",
      textReply(`You can do it like this:\n\n\`\`\`json\n${json}\n\`\`\`\n\nThat is what a call looks like.`),
    ],
    [
      "a call quoted in the text",
      textReply(`The model wrote \`<tool_call>${json}</tool_call>\` and nothing happened.`),
    ],
    [
      "a call of a tool that it does not have",
      textReply('{"name": "launch", "arguments": {"command": "touch ran_a"}}'),
    ],
  ])("%s", async (_name, reply) => {
    using place = createPlace();
    await using server = await startScriptedServer([reply, textReply("Done.")]);
    const run = await runAgent(["--permission", "auto", "--json", "explain"], { place, url: server.url });
    expect(lastEvent(run).reason).toBe("done");
    expect(existsSync(join(place.workspace, "ran_a"))).toBe(false);
  });

  it("a call that was cut off by the length limit, however often", async () => {
    using place = createPlace();
    const cut = callReply([{ name: "shell", arguments: '{"command": "touch ran_a"' }], { finish: "length" });
    await using server = await startScriptedServer(() => cut);
    const run = await runAgent(["--permission", "auto", "--json", "touch it"], { place, url: server.url });
    expect(existsSync(join(place.workspace, "ran_a"))).toBe(false);
    expect(["truncated", "error"]).toContain(lastEvent(run).reason);
    expect(run.code).toBe(1);
  });
});

describe("thinking", () => {
  it.each<[string, ScriptedReply]>([
    ["in a field of its own", textReply("The answer.", { thinking: "hmm" })],
    ["in tags", textReply("<think>hmm</think>The answer.")],
    ["with only a closing tag", textReply("hmm</think>The answer.")],
  ])("%s does not reach the answer", async (_name, reply) => {
    using place = createPlace();
    await using server = await startScriptedServer([reply]);
    const run = await runAgent(["--json", "answer"], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({ reason: "done", text: "The answer." });
  });
});

describe("a server that cannot be used", () => {
  it.each<[string, ScriptedReply[], string, RegExp]>([
    ["answers HTML", [htmlReply("<html><body>Welcome</body></html>")], "error", /HTML|Welcome/],
    ["sends garbage", [{ parts: ["\u0000\u0001 garbage"] }], "error", /garbage|protocol|understand|answer/i],
    [
      "refuses with its reason",
      [errorReply(400, "max_tokens is too large: 99999")],
      "error",
      /max_tokens is too large/,
    ],
    [
      "says that the context is too small",
      [
        errorReply(400, "the request exceeds the available context size", {
          type: "exceed_context_size_error",
          n_prompt_tokens: 9000,
          n_ctx: 4096,
        }),
      ],
      "overflow",
      /9000|4096/,
    ],
  ])("and %s", async (_name, replies, reason, message) => {
    using place = createPlace();
    await using server = await startScriptedServer(
      (_request, chat) => replies[chat - 1] ?? (replies.at(-1) as ScriptedReply),
    );
    const run = await runAgent(["--json", "hello"], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({ reason, message: expect.stringMatching(message) });
    expect(run.code).toBe(1);
  });

  it("and never answers is given up after the silence that was set", async () => {
    using place = createPlace();
    await using server = await startScriptedServer(() => hangingReply());
    const run = await runAgent(["--json", "hello"], {
      place,
      url: server.url,
      env: { LLM_TIMEOUT: "1" },
      timeoutMs: 28_000,
    });
    expect(lastEvent(run).reason).toBe("model_unavailable");
  });

  it("and breaks off in the middle of each answer ends as such", async () => {
    using place = createPlace();
    await using server = await startScriptedServer(() =>
      streamReply([toChunk({ content: "Half an" })], { done: false }),
    );
    const run = await runAgent(["--json", "hello"], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({ reason: "model_unavailable", turns: 3 });
  });

  it("and is not there is named with the way out, after one try", async () => {
    using place = createPlace();
    const run = await runAgent(["--json", "hello"], { place, url: "http://127.0.0.1:9" });
    expect(lastEvent(run)).toMatchObject({
      reason: "model_unavailable",
      message: expect.stringContaining("127.0.0.1:9"),
    });
    expect(run.code).toBe(1);
  });

  it("and does not have the model names the ones it has", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([errorReply(404, "model 'nope' not found")]);
    const run = await runAgent(["--json", "--model", "nope", "hello"], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({
      reason: "error",
      message: expect.stringMatching(/nope[^]*scripted/),
    });
  });
});
