/** The practice model is trained on prompts that the server has to write in just that form. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Message, ToolSchema } from "../../src/core/index.ts";
import { createChatTemplate } from "../../src/engine/chat-template.ts";

interface Dialogue {
  tools: readonly string[];
  messages: readonly Message[];
  prompt: string;
}

const FOLDER = join(import.meta.dirname, "../../practice-model");
const DIALOGUES = JSON.parse(readFileSync(join(FOLDER, "fixtures/dialogues.json"), "utf8")) as Dialogue[];

const template = createChatTemplate({
  source: readFileSync(join(FOLDER, "template.jinja"), "utf8"),
  bosToken: "",
  eosToken: "<|end|>",
});

test.each(DIALOGUES.map((dialogue) => ({ ...dialogue, name: dialogue.messages[0]?.content })))(
  "the template writes what the model was trained on: $name",
  ({ tools, messages, prompt }) => {
    expect(template.render({ messages, tools: tools.map(toSchema) })).toBe(prompt);
    const system: Message = { role: "system", content: "You are an agent." };
    expect(template.render({ messages: [system, ...messages], tools: tools.map(toSchema) })).toBe(prompt);
  },
);

function toSchema(name: string): ToolSchema {
  const parameters = { type: "object", properties: { path: { type: "string" } } };
  return { type: "function", function: { name, description: `Does ${name}.`, parameters } };
}
