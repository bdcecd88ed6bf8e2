import { describe, expect, it } from "vitest";
import {
  callReply,
  isSummaryRequest,
  renderPrompt,
  startScriptedServer,
  startWindowedServer,
  textReply,
  WINDOWED_KINDS,
  type WindowedAnswer,
  type WindowedTurn,
} from "../../src/testing/index.ts";
import { createPlace, lastEvent, runAgent } from "./_agent.ts";
import { createParts } from "./_parts.ts";

const FILES = 14;
const REQUEST = "Read all parts. Never leave one out.";

const readAll = ({ step, isSummary }: WindowedTurn): WindowedAnswer => {
  if (isSummary) return { text: `Goal: read ${FILES} parts. State: ${step} were read. Next: the one after.` };
  if (step > FILES) return { text: "All parts were read." };
  return { calls: [{ name: "read", arguments: { path: `parts/${step}.txt` }, id: `call_${step}` }] };
};

/** Number of the part that was read last, however often the model was asked since. */
function newestResult({ body: { messages = [] } }: WindowedTurn): number {
  const ids = messages.map((message) => /call_(\d+)/.exec(JSON.stringify(message))?.[1]);
  return Number(ids.findLast((id) => id !== undefined) ?? 0);
}

describe("a server with less room than it says", () => {
  it.each(WINDOWED_KINDS)(
    "refuses the request in its own words, and the run goes on with less: %s",
    async (kind) => {
      using place = createPlace();
      createParts(place, FILES);
      // Kinds that say nothing are taken for 8,192.
      const contextTokens = kind === "openai" ? 6_000 : 8_192;
      await using server = await startWindowedServer(readAll, { contextTokens, kind, statedTokens: 131_072 });
      const run = await runAgent(["--permission", "auto", "--json", REQUEST], { place, url: server.url });
      expect(lastEvent(run)).toMatchObject({ reason: "done", text: "All parts were read." });
      const refused = server.counted.flatMap((request, index) => (request.refused ? [index] : []));
      const compactions = run.events.flatMap((event) =>
        event.type === "context_compacted" ? [event.cause] : [],
      );
      expect(refused).not.toEqual([]);
      // One retry, and what was refused once is known: no more than a second guess, where the server gives no number.
      for (const index of refused) expect(server.counted[index + 1]?.refused).toBe(false);
      expect(refused.length).toBeLessThanOrEqual(2);
      // It counts the answer as well, and refuses the first request already, with which there is nothing wrong but that.
      expect(compactions).toContain(kind === "vllm" ? "threshold" : "overflow");
      for (const { prompt } of server.counted) expect(prompt).toContain(REQUEST);
    },
  );
});

describe("a window that one message fills by half", () => {
  it("is made room in as often as results go, not only as far apart as compactions usually pay", async () => {
    using place = createPlace();
    createParts(place, FILES);
    const request = `${REQUEST} ${"lorem ipsum ".repeat(1_330)}dolor`;
    await using server = await startWindowedServer(readAll, { contextTokens: 8_192 });
    const run = await runAgent(["--permission", "auto", "--json", request], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({ reason: "done", text: "All parts were read." });
    expect(server.counted.filter(({ refused }) => refused)).toEqual([]);
  });
});

describe("a reply that runs out of room because the window is nearly full", () => {
  it("is asked for again with more room", async () => {
    using place = createPlace();
    createParts(place, FILES, "words ".repeat(330));
    const thinking = Array.from({ length: 1_020 }, (_, at) => at * 7_919).join(" ");
    const think = (turn: WindowedTurn): WindowedAnswer => {
      const newest = newestResult(turn);
      if (turn.isSummary) return { text: `Goal: read ${FILES} parts. State: call_${newest} was the newest.` };
      return { ...readAll({ ...turn, step: newest + 1 }), thinking };
    };
    await using server = await startWindowedServer(think, { contextTokens: 8_192 });
    const run = await runAgent(["--permission", "auto", "--json", REQUEST], { place, url: server.url });
    expect(lastEvent(run)).toMatchObject({ reason: "done", text: "All parts were read." });
  });
});

describe("a server that leaves out the beginning of long prompts and says nothing", () => {
  it("is found out, told of, and kept from doing it again", async () => {
    using place = createPlace();
    createParts(place, FILES);
    const lengths: number[] = [];
    await using server = await startScriptedServer((request, chats) => {
      const body = request.json as WindowedTurn["body"];
      const whole = Math.ceil(Buffer.byteLength(renderPrompt(body)) / 4);
      lengths.push(whole);
      const usage = { prompt_tokens: Math.min(whole, 4_000), completion_tokens: 20 };
      if (isSummaryRequest(body)) return textReply("Goal: read all. State: some are read.", { usage });
      if (chats > FILES) return textReply("All parts were read.", { usage });
      const call = { name: "read", arguments: { path: `parts/${chats}.txt` }, id: `call_${chats}` };
      return callReply([call], { usage });
    });
    const run = await runAgent(["--permission", "auto", "--json", REQUEST], { place, url: server.url });
    const told = run.events.filter((event) => event.type === "warning" && event.code === "prompt_cut");
    expect(lastEvent(run)).toMatchObject({ reason: "done" });
    expect(told).toHaveLength(1);
    expect(lengths.filter((length) => length > 4_000)).toHaveLength(2);
  });
});
