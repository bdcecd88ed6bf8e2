import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Message } from "../../src/core/message.ts";
import { callReply, startScriptedServer, textReply, type RecordedRequest } from "../../src/testing/index.ts";
import { chatBody, createPlace, runAgent, spawnAgent, type Place } from "./_agent.ts";

const KILLS = 50;
const TURNS = 20;

/** Twenty turns with one or two calls each, then an answer. */
function script(_request: RecordedRequest, chat: number): ReturnType<typeof textReply> {
  if (chat > TURNS) return textReply("All done.");
  const calls = [
    { name: "write", arguments: { path: `file-${chat}.txt`, content: `turn ${chat}` }, id: `w${chat}` },
  ];
  const shell = { name: "shell", arguments: { command: `echo turn ${chat}` }, id: `s${chat}` };
  return callReply(chat % 3 === 0 ? [...calls, shell] : calls);
}

describe("a session whose process is killed at any instant", () => {
  it(
    `loses no completed message in ${KILLS} kills, and every call has exactly one result`,
    { timeout: 240_000 },
    async () => {
      // Two at a time, as they are timed: much of a run is waiting.
      const whole = Math.max(...(await Promise.all([timeWholeRun(), timeWholeRun()])));
      const killEverySecond = async (first: number): Promise<void> => {
        // Spread over the run with a random shift, so that each round meets other instants.
        for (let kill = first; kill < KILLS; kill += 2)
          await killAndResume(Math.max(20, ((kill + Math.random()) / KILLS) * whole * 1.1));
      };
      await Promise.all([killEverySecond(0), killEverySecond(1)]);
    },
  );
});

async function timeWholeRun(): Promise<number> {
  using place = createPlace();
  await using server = await startScriptedServer(script);
  const startedAt = Date.now();
  const run = await runAgent(["--permission", "auto", "--json", "work"], { place, url: server.url });
  expect(run.code, run.stderr).toBe(0);
  return Date.now() - startedAt;
}

async function killAndResume(afterMs: number): Promise<void> {
  using place = createPlace();
  await using server = await startScriptedServer(script);
  const seen = await runUntilKilled(place, { url: server.url, afterMs });
  const files = sessionFiles(place);
  if (files.length === 0) {
    expect(seen).toEqual([]);
    return;
  }
  await using resumedServer = await startScriptedServer([textReply("Resumed.")]);
  const run = await runAgent(["--permission", "auto", "--json", "--continue", "go on"], {
    place,
    url: resumedServer.url,
  });
  expect(run.code, `${run.stderr}\nkilled after ${afterMs} ms`).toBe(0);
  const messages = readMessages(place, files[0] as string);
  expectComplete(messages, seen);
  const { messages: sent } = chatBody(resumedServer, 0);
  expect(sent.map(({ role }) => role)).toEqual(messages.slice(0, -1).map(({ role }) => role));
}

/** The messages that the process had told of before it was killed. */
async function runUntilKilled(
  place: Place,
  { url, afterMs }: { url: string; afterMs: number },
): Promise<Message[]> {
  const child = spawnAgent(["--permission", "auto", "--json", "work"], { place, url });
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const closed = new Promise((done) => child.on("close", done));
  const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
  await closed;
  clearTimeout(timer);
  const lines = stdout.split("\n").slice(0, -1);
  return lines.flatMap((line) => {
    const event = JSON.parse(line) as { type: string; message?: Message };
    return event.type === "message_added" && event.message ? [event.message] : [];
  });
}

function expectComplete(messages: readonly Message[], seen: readonly Message[]): void {
  for (const message of seen) expect(messages).toContainEqual(message);
  const calls = messages.flatMap((message) =>
    message.role === "assistant" ? (message.tool_calls ?? []).map(({ id }) => id) : [],
  );
  const results = messages.flatMap((message) => (message.role === "tool" ? [message.tool_call_id] : []));
  expect(results).toEqual(calls);
}

function sessionFiles(place: Place): string[] {
  try {
    return readdirSync(join(place.workspace, ".lmagent/sessions")).filter((name) => name.endsWith(".jsonl"));
  } catch {
    return [];
  }
}

function readMessages(place: Place, file: string): Message[] {
  const text = readFileSync(join(place.workspace, ".lmagent/sessions", file), "utf8");
  expect(text.endsWith("\n")).toBe(true);
  const records = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; message: Message });
  return records.flatMap((record) => (record.type === "message" ? [record.message] : []));
}
