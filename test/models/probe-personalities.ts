/** Models as they are met, for tests of the probe: each answers a request the way such a model would. */
import {
  brokenReply,
  callReply,
  errorReply,
  hangingReply,
  htmlReply,
  textReply,
  toChunk,
  streamReply,
} from "../../src/testing/index.ts";
import type { RecordedRequest, ScriptedReply } from "../../src/testing/index.ts";

interface Part {
  type: string;
  text?: string;
}

interface ChatBody {
  messages: { content: string | Part[] }[];
  tools?: { function: { name: string } }[];
  tool_choice?: string;
  response_format?: unknown;
  max_tokens?: number;
}

/** What was asked, as far as a model could see it. */
export interface Asked {
  text: string;
  hasImage: boolean;
  hasTools: boolean;
  forced: boolean;
  body: ChatBody;
}

export function toAsked(request: RecordedRequest): Asked {
  const body = request.json as ChatBody;
  const content = body.messages.at(-1)?.content ?? "";
  const parts = typeof content === "string" ? [{ type: "text", text: content }] : content;
  return {
    text: parts.map(({ text = "" }) => text).join("\n"),
    hasImage: parts.some(({ type }) => type === "image_url"),
    hasTools: (body.tools?.length ?? 0) > 0,
    forced: body.tool_choice === "required",
    body,
  };
}

export type Personality = (asked: Asked) => ScriptedReply;

interface Wish {
  name: string;
  arguments: Record<string, string>;
}

/** The calls that a request wants, copied with care. */
export function toWishes({ text, hasTools }: Asked): Wish[] {
  if (!hasTools || /no tool/.test(text)) return [];
  const lines = /two lines:\n\n([^]*?)\n\nChange/.exec(text)?.[1];
  if (lines !== undefined)
    return [{ name: "edit", arguments: { path: "app.js", old: lines, new: lines.replace("5 €", "6 €") } }];
  return [...text.matchAll(/notes\/\w+\.txt/g)].map(([path]) => ({ name: "read", arguments: { path } }));
}

const usage = { prompt_tokens: 400, completion_tokens: 12 };
const timings = { prompt_n: 400, cache_n: 0, prompt_per_second: 500, predicted_per_second: 20 };

/** Right words for anything that asks for words. */
function toWords({ text, hasImage, body }: Asked): string {
  if (hasImage) return "The left half is red and the right half is blue.";
  if (/17 \+ 26/.test(text)) return "43";
  if (/secret word/.test(text))
    return /marzipan/.test(body.messages.map(toText).join("")) ? "Marzipan." : "?";
  return "Hello!";
}

function toText({ content }: ChatBody["messages"][number]): string {
  return typeof content === "string" ? content : "";
}

/** The words of the newest request, counted as the servers do. */
function count({ text }: Asked): { usage: typeof usage; timings: typeof timings } {
  const prompt = Math.ceil(text.length / 4) + 100;
  return { usage: { ...usage, prompt_tokens: prompt }, timings: { ...timings, prompt_n: prompt } };
}

export const perfect: Personality = (asked) => {
  const wishes = toWishes(asked);
  if (wishes.length === 0 && asked.forced) wishes.push({ name: "read", arguments: { path: "a" } });
  return wishes.length > 0 ? callReply(wishes, count(asked)) : textReply(toWords(asked), count(asked));
};

/** One call a reply, written into the text; nothing can be forced. */
export const hermes: Personality = (asked) => {
  const [wish] = toWishes(asked);
  if (wish === undefined) return textReply(toWords(asked), count(asked));
  return textReply(`<tool_call>\n${JSON.stringify(wish)}\n</tool_call>`, count(asked));
};

/** As LM Studio and Ollama: no choice of tools can be made, but a reply is held to a schema. */
export const heldToSchema: Personality = (asked) =>
  asked.body.response_format === undefined
    ? perfect({ ...asked, forced: false })
    : textReply('{"name": "read", "arguments": {"path": "a"}}', count(asked));

export const withoutTools: Personality = (asked) =>
  asked.hasTools
    ? errorReply(400, "registry.ollama.ai/library/gemma:2b does not support tools")
    : textReply(toWords(asked), count(asked));

/** Never comes to the point; its tokens run out. */
export const endlessThinker: Personality = (asked) =>
  textReply("", { ...count(asked), thinking: "Let me see. But wait. ".repeat(5), finish: "length" });

/** Thinks unless it is told not to. */
export const quietOnDemand: Personality = (asked) =>
  asked.text.endsWith("/no_think") ? perfect(asked) : withThinking(asked);

/** Thinks before everything, whatever it is told. */
export const steadyThinker: Personality = (asked) => withThinking(asked);

function withThinking(asked: Asked): ScriptedReply {
  const reply = perfect(asked);
  const thought = streamReply([toChunk({ reasoning_content: "Hm, hm." })], { done: false });
  return { ...reply, parts: [...thought.parts, ...reply.parts] };
}

export const empty: Personality = () => textReply("");

export const garbage: Personality = () => htmlReply("<html>It works!</html>");

export const silent: Personality = () => hangingReply();

/** Says the same words to everything. */
export const chatty: Personality = () => textReply("As a language model I am happy to help you with that.");

/** Straight quotes for curly ones, spaces for tabs. */
export const carelessCopier: Personality = (asked) => {
  const wishes = toWishes(asked).map(({ name, arguments: args }) => ({
    name,
    arguments: {
      ...args,
      ...(args["old"] === undefined ? {} : { old: args["old"].replace(/[“”]/g, "'").replaceAll("\t", "  ") }),
    },
  }));
  return wishes.length > 0 ? callReply(wishes, count(asked)) : textReply(toWords(asked), count(asked));
};

/** Reads the end of a long prompt only. */
export const forgetful =
  (chars: number): Personality =>
  (asked) =>
    asked.text.length > chars && /secret word/.test(asked.text)
      ? textReply("I do not know.", count(asked))
      : perfect(asked);

export const broken: Personality = (asked) => brokenReply(perfect(asked), 1);

/** Pays no heed to how long a reply may be. */
export const withoutEnd: Personality = () => {
  const talk = Array.from({ length: 60 }, () => toChunk({ content: "and so on, ".repeat(100) }));
  return hangingReply(streamReply(talk, { done: false }), talk.length);
};
