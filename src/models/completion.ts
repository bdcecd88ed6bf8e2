import type { FinishReason, Usage } from "../core/model.ts";
import type { Json } from "./json.ts";
import { toObject } from "./json.ts";
import { readProgress, readUsage } from "./usage.ts";

/** One frame of a reply in our own words; everything that servers spell differently is evened out here. */
export interface Delta {
  text: string;
  thinking: string;
  calls: readonly CallDelta[];
  finish?: FinishReason;
  usage?: Usage;
  progress?: { processed: number; total: number; cached: number };
  /** A frame or document that belongs to the protocol at all. */
  recognized: boolean;
}

export interface CallDelta {
  id?: string;
  index?: number;
  name?: string;
  /** A piece of text, or the whole as an object. */
  arguments?: unknown;
}

/** Reads a chunk of a stream (`choices[].delta`) or a whole answer (`choices[].message`). */
export function toDelta(frame: Json): Delta {
  const choices = Array.isArray(frame["choices"]) ? frame["choices"] : undefined;
  // One answer was asked for; a second one beside it would be mixed into it.
  const choice = choices?.map(toObject).find(({ index }) => typeof index !== "number" || index === 0) ?? {};
  const body = toObject(choice["delta"] ?? choice["message"] ?? (choices ? undefined : frame["message"]));
  const parts = readContent(body["content"] ?? choice["text"]);
  // A whole answer is complete, said or not.
  const finish = readFinish(choice["finish_reason"]) ?? ("message" in choice ? "stop" : undefined);
  const usage = readUsage(frame);
  const progress = readProgress(frame["prompt_progress"]);
  return {
    text: parts.text,
    thinking: readThinking(body) + parts.thinking,
    calls: readCalls(body),
    recognized:
      choices !== undefined ||
      usage !== undefined ||
      progress !== undefined ||
      typeof frame["message"] === "object",
    ...(finish === undefined ? {} : { finish }),
    ...(usage === undefined ? {} : { usage }),
    ...(progress === undefined ? {} : { progress }),
  };
}

/** Content is a string, null, or a list of parts (Mistral sends thinking as a part). */
function readContent(content: unknown): { text: string; thinking: string } {
  if (typeof content === "string") return { text: content, thinking: "" };
  if (!Array.isArray(content)) return { text: "", thinking: "" };
  let text = "";
  let thinking = "";
  for (const part of content.map(toObject)) {
    if (part["type"] === "thinking" || part["type"] === "reasoning") {
      const inner = part["thinking"] ?? part["text"];
      thinking += typeof inner === "string" ? inner : readContent(inner).text;
    } else if (typeof part["text"] === "string") text += part["text"];
  }
  return { text, thinking };
}

/** Some servers send the same thinking under two names; the first that is there counts. */
function readThinking(body: Json): string {
  for (const field of ["reasoning_content", "reasoning", "thinking"]) {
    const value = body[field];
    if (typeof value === "string" && value !== "") return value;
  }
  return "";
}

function readCalls(body: Json): CallDelta[] {
  const listed = Array.isArray(body["tool_calls"]) ? body["tool_calls"].map(toObject) : [];
  const several = listed.length > 1;
  const calls = listed.map((entry, position) => {
    const made = entry["function"] === undefined ? entry : toObject(entry["function"]);
    const index = typeof entry["index"] === "number" ? entry["index"] : several ? position : undefined;
    return toCallDelta(made, entry["id"], index);
  });
  const legacy = body["function_call"];
  return legacy === undefined || legacy === null
    ? calls
    : [...calls, toCallDelta(toObject(legacy), undefined, 0)];
}

function toCallDelta(made: Json, id: unknown, index: number | undefined): CallDelta {
  const { name } = made;
  const args = made["arguments"] ?? made["parameters"];
  const identity = typeof id === "number" ? String(id) : id;
  return {
    ...(typeof identity === "string" && identity !== "" ? { id: identity } : {}),
    ...(index === undefined ? {} : { index }),
    ...(typeof name === "string" && name !== "" ? { name } : {}),
    ...(args === undefined || args === null ? {} : { arguments: args }),
  };
}

const FINISHES: Readonly<Record<string, FinishReason>> = {
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  tool_use: "tool_calls",
  length: "length",
  max_tokens: "length",
  model_length: "length",
  content_filter: "content_filter",
};

function readFinish(reason: unknown): FinishReason | undefined {
  if (typeof reason !== "string" || reason === "") return undefined;
  return FINISHES[reason] ?? "stop";
}
