import type { CallForm, FormScope, FoundBlock } from "./form.ts";
import { CUT_OFF, skipSpace } from "./form.ts";
import { readJsonCalls, skipMark } from "./json-calls.ts";
import { readPythonList } from "./python-call.ts";

/** Families that put JSON, or a list of calls in Python, between two marks of their own. */
const TAGS: readonly { opens: readonly string[]; close: string }[] = [
  // LFM2
  { opens: ["<|tool_call_start|>"], close: "<|tool_call_end|>" },
  // Command R
  { opens: ["<|START_ACTION|>"], close: "<|END_ACTION|>" },
  // Nemotron
  { opens: ["<TOOLCALL>"], close: "</TOOLCALL>" },
  // InternLM
  { opens: ["<|action_start|><|plugin|>", "<|action_start|> <|plugin|>"], close: "<|action_end|>" },
  // Apertus
  { opens: ["<|tools_prefix|>"], close: "<|tools_suffix|>" },
];

export const TAGGED_FORMS: readonly CallForm[] = TAGS.map(({ opens, close }) => ({
  name: `${opens[0]} in text`,
  openers: opens,
  closers: [close],
  read(text, at, scope) {
    const opener = opens.find((one) => text.startsWith(one, at)) ?? "";
    const start = skipSpace(text, at + opener.length);
    const block = /^\[\s*[A-Za-z_]/.test(text.slice(start, start + 40))
      ? readPython(text, start, { scope, close })
      : readJson(text, start, { scope, close });
    return block && { end: skipMark(text, block.end, [close]) ?? block.end, calls: block.calls };
  },
}));

interface Within {
  scope: FormScope;
  close: string;
}

function readJson(text: string, start: number, { scope, close }: Within): FoundBlock | undefined {
  if (text[start] !== "[" && text[start] !== "{") return undefined;
  return readJsonCalls(text, start, scope, [close]);
}

function readPython(text: string, start: number, { scope, close }: Within): FoundBlock {
  const closed = text.indexOf(close, start);
  const end = closed < 0 ? text.length : closed;
  const raw = text.slice(start, end).trim();
  const calls = readPythonList(raw, scope);
  if (calls) return { end, calls };
  const name = /^\[\s*([\w.]+)/.exec(raw)?.[1] ?? "";
  const problem =
    closed < 0
      ? CUT_OFF
      : 'The call could not be read. Write it as [name(parameter="value")] with plain values.';
  return { end, calls: [{ name, arguments: undefined, raw, problem }] };
}
