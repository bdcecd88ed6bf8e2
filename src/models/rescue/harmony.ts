import type { CallForm } from "./form.ts";
import { readArguments, skipMark } from "./json-calls.ts";

const ROLE = "<|start|>assistant";
const HEAD =
  /(?:<\|start\|>assistant)?\s*(?:<\|channel\|>\w+\s*)?to=([\w.:-]+)\s*(?:<\|channel\|>\w+)?\s*(?:<\|constrain\|>)?\s*\w*\s*<\|message\|>/y;
const CHANNELS = ["<|channel|>commentary to=", "<|channel|>analysis to="];
const ENDS = ["<|call|>", "<|end|>", "<|return|>"];

/** Harmony (gpt-oss): `<|channel|>commentary to=functions.read <|constrain|>json<|message|>{…}<|call|>`. */
export const harmony: CallForm = {
  name: "<|channel|> in text",
  openers: [...["", ROLE].flatMap((role) => CHANNELS.map((channel) => `${role}${channel}`)), `${ROLE} to=`],
  closers: ["<|call|>"],
  read(text, at, scope) {
    HEAD.lastIndex = at;
    const head = HEAD.exec(text);
    if (!head?.[1]) return undefined;
    const closers = [...ENDS, "<|start|>"];
    const body = readArguments(text, at + head[0].length, { scope, name: head[1], closers });
    return body && { end: skipMark(text, body.end, ENDS) ?? body.end, calls: [body.call] };
  },
};
