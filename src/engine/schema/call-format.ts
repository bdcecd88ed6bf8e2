/** How a model writes its tool calls, as its chat template shows, and the grammar that keeps it to that form. */
import type { ToolSchema } from "../../core/model.ts";
import type { JsonSchema } from "../../core/tool.ts";
import type { CallGrammar } from "../protocol.ts";
import { complement } from "./automaton.ts";
import { automatonExpression } from "./automaton-grammar.ts";
import { pointer } from "./node.ts";
import { addSchema } from "./compile.ts";
import { charClass, choice, Grammar, literal, optional, sequence } from "./grammar.ts";
import type { Expression } from "./grammar.ts";
import { anyObject, anyValue, member, space } from "./json-text.ts";
import { isObject } from "../../core/json-object.ts";
import { parsePattern } from "./regex.ts";
import { toAutomaton } from "./regex-automaton.ts";

/**
 * `hermes`: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`. `qwen_xml`: the same tags around
 * `<function=name><parameter=key>value</parameter></function>`. `text`: another form; the text is left as it is.
 */
export type CallFormat = "hermes" | "qwen_xml" | "text";

export const CALL_OPEN = "<tool_call>";
export const CALL_CLOSE = "</tool_call>";
export const THINK_OPEN = "<think>";
export const THINK_CLOSE = "</think>";

export function detectCallFormat(template: string): CallFormat {
  // GLM has other things than JSON between these tags.
  if (!template.includes(CALL_OPEN) || template.includes("<arg_key>")) return "text";
  return template.includes("<function=") ? "qwen_xml" : "hermes";
}

export interface CallGrammarOptions {
  format: CallFormat;
  /** `required` and a name make the reply a call and nothing else. */
  choice: "auto" | "required" | { name: string };
  parallel: boolean;
}

/** The tools of a conversation stay the same from turn to turn, and their grammar takes some milliseconds a tool. */
const made = new Map<string, CallGrammar>();
const MADE_LIMIT = 16;

/**
 * `undefined` when nothing is to be constrained: no tools, or an optional call in a form without a grammar. A schema that cannot be
 * kept leaves the arguments of its tool free, in the right form.
 */
export function toCallGrammar(
  tools: readonly ToolSchema[],
  options: CallGrammarOptions,
): CallGrammar | undefined {
  const { format, choice: wanted, parallel } = options;
  const offered =
    typeof wanted === "object" ? tools.filter((tool) => tool.function.name === wanted.name) : tools;
  if (offered.length === 0 || (wanted === "auto" && format === "text")) return undefined;
  const key = JSON.stringify([offered, format, wanted, parallel]);
  const known = made.get(key);
  if (known !== undefined) return known;
  const grammar = makeGrammar(offered, options);
  if (made.size >= MADE_LIMIT) made.clear();
  made.set(key, grammar);
  return grammar;
}

function makeGrammar(
  offered: readonly ToolSchema[],
  { format, choice: wanted, parallel }: CallGrammarOptions,
): CallGrammar {
  const grammar = new Grammar();
  const ws = space(grammar);
  const toCall = format === "qwen_xml" ? xmlCall : jsonCall;
  const call = grammar.rule("call", choice(offered.map((tool) => toCall(grammar, tool))));
  const body = sequence(ws, call, ws, literal(CALL_CLOSE));
  return {
    afterOpen: grammar.toText(body),
    ...(wanted === "auto" ? {} : { fromStart: grammar.toText(sequence(literal(CALL_OPEN), body)) }),
    open: CALL_OPEN,
    close: CALL_CLOSE,
    ...(format === "qwen_xml" ? { body: "text" as const } : {}),
    single: !parallel || typeof wanted === "object",
  };
}

function jsonCall(grammar: Grammar, { function: { name, parameters } }: ToolSchema): Expression {
  const ws = space(grammar);
  const schema = { type: "object", ...parameters };
  const result = addSchema(grammar, schema, { strict: false, name: `${name}-args` });
  const input = result.ok ? result.expression : anyObject(grammar);
  return grammar.rule(
    `${name}-call`,
    sequence(
      literal("{"),
      ws,
      member(grammar, literal('"name"'), literal(JSON.stringify(name))),
      ws,
      literal(","),
      ws,
      member(grammar, literal('"arguments"'), input),
      ws,
      literal("}"),
    ),
  );
}

/** What can stand between `=` and `>`; other names are written as JSON, which the reader takes as well. */
const XML_NAME = /^[^<>\s]+$/;

/** The parameters in the declared order: strings as bare text, other values as JSON. */
function xmlCall(grammar: Grammar, tool: ToolSchema): Expression {
  const { name, parameters } = tool.function;
  const properties = isObject(parameters["properties"]) ? parameters["properties"] : {};
  const required: unknown[] = Array.isArray(parameters["required"]) ? parameters["required"] : [];
  if (![name, ...Object.keys(properties)].every((one) => XML_NAME.test(one))) return jsonCall(grammar, tool);
  const blocks = Object.entries(properties).map(([key, schema]) => {
    const path = pointer("#", "properties", key);
    const value = xmlValue(grammar, { schema, path, root: parameters, name: `${name}-${key}` });
    const block = sequence(literal(`<parameter=${key}>\n`), value, literal("\n</parameter>\n"));
    return required.includes(key) ? block : optional(block);
  });
  return grammar.rule(
    `${name}-call`,
    sequence(literal(`<function=${name}>\n`), ...blocks, literal("</function>")),
  );
}

function xmlValue(
  grammar: Grammar,
  { schema, path, root, name }: { schema: unknown; path: string; root: JsonSchema; name: string },
): Expression {
  if (!isObject(schema) || schema["type"] !== "string") {
    const result = addSchema(grammar, root, { strict: false, name, start: { schema, path } });
    return result.ok ? result.expression : anyValue(grammar);
  }
  const listed: unknown[] = Array.isArray(schema["enum"]) ? schema["enum"] : [schema["const"]];
  const words = listed.filter((word) => typeof word === "string" && !MARKS.test(word)) as string[];
  return words.length > 0 ? choice(words.map(literal)) : bareText(grammar);
}

const MARKS = /<\/?(?:parameter|function|tool_call)/;

/** Any text that the reader does not take for the end of the value. */
function bareText(grammar: Grammar): Expression {
  return grammar.shared("text", () => {
    const parsed = parsePattern(MARKS.source);
    const automaton = parsed.ok ? toAutomaton(parsed.pattern) : undefined;
    return automatonExpression(grammar, (automaton && complement(automaton)) ?? [], {
      name: "text",
      encode: charClass,
    });
  });
}
