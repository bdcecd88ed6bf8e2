/** What the agent writes into a conversation itself is written anew in the generator, and has to be the same there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { messageText } from "../../src/core/message.ts";
import { toPlanRequest } from "../../src/core/plan-mode.ts";
import { toRecordText } from "../../src/core/record.ts";
import { toSummaryMessages } from "../../src/core/summary.ts";
import { findProfile } from "../../src/models/profile.ts";

const FIXTURES = join(import.meta.dirname, "../../practice-model/fixtures/texts.json");
const learnt = new Map(
  (JSON.parse(readFileSync(FIXTURES, "utf8")) as { name: string; text: string }[]).map(({ name, text }) => [
    name,
    text,
  ]),
);
const TOKENS_PER_WORD = 1.5;

const [pause = "", summary = ""] = toSummaryMessages([{ role: "user", content: "do it" }], {
  maxTokens: 120 * TOKENS_PER_WORD,
})
  .slice(1)
  .map(messageText);
const focused = toSummaryMessages([], { maxTokens: 80 * TOKENS_PER_WORD, focus: "the dates" }).map(
  messageText,
);
const tools = findProfile("lmagent-practice").tools?.filter((name) => !name.startsWith("plan_"));

test.each([
  ["plan request", toPlanRequest("do it")],
  ["pause", pause],
  ["summary request", summary],
  ["summary request with a focus", focused.at(-1)],
  ["record", toRecordText("Goal: none", "")],
  ["tools", tools?.join(" ")],
])("the practice model has learnt the %s that the agent sends", (name, sent) => {
  expect(learnt.get(name)).toBe(sent);
});
