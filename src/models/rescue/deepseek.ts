import type { CallForm, FormScope, FoundBlock, WrittenCall } from "./form.ts";
import { readArguments } from "./json-calls.ts";

// The tags are written with U+FF5C and U+2581; quantised models and some templates fall back to plain characters.
const BAR = "[｜|]";
const GAP = "[▁_ ]";
const tag = (words: string) => `<${BAR}${words.replaceAll(" ", GAP)}${BAR}>`;
const BEGIN_ALL = new RegExp(`\\s*${tag("tool calls begin")}`, "y");
const BEGIN = new RegExp(`\\s*${tag("tool call begin")}\\s*(?:function)?\\s*`, "y");
const NAME = new RegExp(
  `(?:${tag("tool sep")})?\\s*([\\w.:-]+)\\s*(?:${tag("tool sep")})?\\s*(?:\`\`\`(?:json)?\\s*)?(?=\\{)`,
  "y",
);
const END = new RegExp(`\\s*(?:\`\`\`)?\\s*(?:${tag("tool call end")})?`, "y");
const END_ALL = new RegExp(`\\s*${tag("tool calls end")}`, "y");

/** DeepSeek: `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>read` and fenced JSON, or the JSON right after the name. */
export const deepseek: CallForm = {
  name: "<｜tool▁call▁begin｜> in text",
  openers: [
    "<｜tool▁calls▁begin｜>",
    "<｜tool▁call▁begin｜>",
    "<|tool_calls_begin|>",
    "<|tool_call_begin|>",
    "<｜tool calls begin｜>",
  ],
  closers: ["<｜tool▁calls▁end｜>", "<|tool_calls_end|>"],
  read(text, at, scope) {
    const start = at + (matchAt(BEGIN_ALL, text, at)?.[0].length ?? 0);
    const block = readAll(text, start, scope);
    if (!block) return undefined;
    return { end: block.end + (matchAt(END_ALL, text, block.end)?.[0].length ?? 0), calls: block.calls };
  },
};

function readAll(text: string, from: number, scope: FormScope): FoundBlock | undefined {
  const calls: WrittenCall[] = [];
  let end = from;
  for (;;) {
    const begin = matchAt(BEGIN, text, end);
    if (!begin) break;
    const at = end + begin[0].length;
    const named = matchAt(NAME, text, at);
    if (!named?.[1]) break;
    const closers = ["<｜tool", "<|tool", "\n```"];
    const body = readArguments(text, at + named[0].length, { scope, name: named[1], closers });
    if (!body) break;
    calls.push(body.call);
    end = body.end + (matchAt(END, text, body.end)?.[0].length ?? 0);
  }
  return calls.length > 0 ? { end, calls } : undefined;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
