/**
 * JSON Schema to GBNF, llama.cpp's grammar language (https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md).
 *
 * Covers what tool parameters use: objects with required and optional properties, arrays, strings, numbers, booleans, null, `enum`,
 * `const`, `anyOf`/`oneOf`, lists of types and local `$ref`. Everything else is relaxed, never narrowed: an unknown keyword is
 * ignored and an unknown schema accepts any JSON value, so no valid call is ever ruled out.
 */
import type { JsonSchema } from "../core/tool.ts";

/** Objects with up to this many properties may have them in any order; larger ones in the declared order, to bound the grammar. */
const ANY_ORDER_LIMIT = 5;
const DEPTH_LIMIT = 24;

export interface GrammarBuilder {
  /** Adds the rules for a schema and returns the expression that refers to them. */
  schema(schema: JsonSchema, name: string): string;
  /** Adds one rule and returns its name, which may differ from the wanted one. */
  rule(name: string, body: string): string;
  /** The whole grammar, with `root` as its first rule. */
  toText(root: string): string;
}

const BASE_RULES: Readonly<Record<string, string>> = {
  ws: String.raw`( " " | "\n" [ \t]{0,16} )?`,
  string: String.raw`"\"" char* "\""`,
  char: String.raw`[^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F]{4} )`,
  integer: String.raw`"-"? ( "0" | [1-9] [0-9]{0,15} )`,
  number: String.raw`integer ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,3} )?`,
  boolean: `"true" | "false"`,
  null: `"null"`,
  value: "object | array | string | number | boolean | null",
  object: String.raw`"{" ws ( string ws ":" ws value ( ws "," ws string ws ":" ws value )* ws )? "}"`,
  array: String.raw`"[" ws ( value ( ws "," ws value )* ws )? "]"`,
};

export function createGrammarBuilder(): GrammarBuilder {
  const rules = new Map<string, string>(Object.entries(BASE_RULES));
  const rule = (name: string, body: string): string => {
    const free = freeName(rules, toRuleName(name));
    rules.set(free, body);
    return free;
  };
  return {
    rule,
    schema: (schema, name) => convert(schema, { name, rules, rule, root: schema, depth: 0, refs: new Map() }),
    toText: (root) =>
      [`root ::= ${root}`, ...[...rules].map(([name, body]) => `${name} ::= ${body}`)].join("\n"),
  };
}

/** A JSON text as a GBNF literal. */
export function toLiteral(text: string): string {
  const escaped = text.replace(/["\\\n\r\t]/g, (character) => LITERAL_ESCAPES[character] as string);
  return `"${escaped}"`;
}

const LITERAL_ESCAPES: Readonly<Record<string, string>> = {
  '"': String.raw`\"`,
  "\\": "\\\\",
  "\n": String.raw`\n`,
  "\r": String.raw`\r`,
  "\t": String.raw`\t`,
};

interface Scope {
  /** What the rules made here are called. */
  name: string;
  rules: ReadonlyMap<string, string>;
  rule: (name: string, body: string) => string;
  /** Where local references are looked up. */
  root: JsonSchema;
  depth: number;
  /** Rule names of references that are being converted, so that a schema may contain itself. */
  refs: Map<string, string>;
}

function convert(schema: unknown, scope: Scope): string {
  if (!isSchema(schema) || scope.depth > DEPTH_LIMIT) return "value";
  if (typeof schema["$ref"] === "string") return convertReference(schema["$ref"], scope);
  const inner = { ...scope, depth: scope.depth + 1 };
  if ("const" in schema) return convertEnum([schema["const"]]);
  if (Array.isArray(schema["enum"]) && schema["enum"].length > 0) return convertEnum(schema["enum"]);
  const union = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(union) && union.length > 0) return alternatives(union.map((one) => convert(one, inner)));
  if ("allOf" in schema || "not" in schema) return "value";
  return convertType(schema, inner);
}

function convertType(schema: JsonSchema, scope: Scope): string {
  const type = schema["type"] ?? (isSchema(schema["properties"]) ? "object" : undefined);
  if (Array.isArray(type))
    return alternatives(type.map((one) => convertType({ ...schema, type: one as unknown }, scope)));
  switch (type) {
    case "string":
    case "integer":
    case "number":
    case "boolean":
    case "null":
      return type as string;
    case "array":
      return convertArray(schema, scope);
    case "object":
      return convertObject(schema, scope);
    default:
      return "value";
  }
}

function convertEnum(values: readonly unknown[]): string {
  return alternatives(values.map((value) => toLiteral(JSON.stringify(value) ?? "null")));
}

function alternatives(parts: readonly string[]): string {
  const distinct = [...new Set(parts)];
  return distinct.length === 1 ? (distinct[0] as string) : `( ${distinct.join(" | ")} )`;
}

function convertArray(schema: JsonSchema, scope: Scope): string {
  if (!isSchema(schema["items"])) return "array";
  const item = convert(schema["items"], { ...scope, name: `${scope.name}-item` });
  return scope.rule(`${scope.name}-list`, `"[" ws ( ${item} ( ws "," ws ${item} )* ws )? "]"`);
}

/** `#/$defs/name` and other pointers into the same schema. */
function convertReference(reference: string, scope: Scope): string {
  const known = scope.refs.get(reference);
  if (known !== undefined) return known;
  const target = lookUp(reference, scope.root);
  if (target === undefined) return "value";
  // The name is fixed before the body is known, because the body may refer to it.
  const name = freeName(scope.rules, toRuleName(`${scope.name}-ref`));
  scope.rule(name, "value");
  scope.refs.set(reference, name);
  const body = convert(target, { ...scope, name, depth: scope.depth + 1 });
  (scope.rules as Map<string, string>).set(name, body === name ? "value" : body);
  return name;
}

function lookUp(reference: string, root: JsonSchema): JsonSchema | undefined {
  if (!reference.startsWith("#")) return undefined;
  let at: unknown = root;
  for (const part of reference.slice(1).split("/").filter(Boolean)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
    if (!isSchema(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return isSchema(at) ? at : undefined;
}

interface Property {
  /** `"key" ws ":" ws value` as an expression. */
  pair: string;
  required: boolean;
}

function convertObject(schema: JsonSchema, scope: Scope): string {
  const properties = isSchema(schema["properties"]) ? Object.entries(schema["properties"]) : [];
  if (properties.length === 0) return convertMap(schema, scope);
  const required = new Set(Array.isArray(schema["required"]) ? (schema["required"] as unknown[]) : []);
  const pairs = properties.map(([key, value]): Property => {
    const expression = convert(value, { ...scope, name: `${scope.name}-${key}` });
    const pair = scope.rule(
      `${scope.name}-${key}-pair`,
      `${toLiteral(JSON.stringify(key))} ws ":" ws ${expression}`,
    );
    return { pair, required: required.has(key) };
  });
  const members = pairs.length <= ANY_ORDER_LIMIT ? anyOrder(pairs, scope) : declaredOrder(pairs, scope);
  return scope.rule(scope.name, `"{" ws ${members} "}"`);
}

/** No declared properties: an object with any keys, whose values may have a schema. */
function convertMap(schema: JsonSchema, scope: Scope): string {
  const additional = schema["additionalProperties"];
  if (additional === false) return scope.rule(scope.name, '"{" ws "}"');
  if (!isSchema(additional)) return "object";
  const value = convert(additional, { ...scope, name: `${scope.name}-entry` });
  const pair = `string ws ":" ws ${value}`;
  return scope.rule(scope.name, `"{" ws ( ${pair} ( ws "," ws ${pair} )* ws )? "}"`);
}

/** One rule for each set of properties still to come: each once, in any order, and no end before the required ones. */
function anyOrder(properties: readonly Property[], scope: Scope): string {
  const names = new Map<number, string>();
  const restOf = (left: number): string => {
    const known = names.get(left);
    if (known !== undefined) return known;
    const options = properties.flatMap(({ pair }, at) =>
      (left >> at) & 1 ? [`ws "," ws ${pair} ${restOf(left & ~(1 << at))}`] : [],
    );
    const complete = properties.every(({ required }, at) => !required || !((left >> at) & 1));
    const name = scope.rule(`${scope.name}-rest`, [...options, ...(complete ? ["ws"] : [])].join(" | "));
    names.set(left, name);
    return name;
  };
  const all = (1 << properties.length) - 1;
  const first = properties.map(({ pair }, at) => `${pair} ${restOf(all & ~(1 << at))}`);
  const empty = properties.some(({ required }) => required) ? [] : [`""`];
  return `( ${[...first, ...empty].join(" | ")} )`;
}

/** In the declared order, optional ones left out at will. */
function declaredOrder(properties: readonly Property[], scope: Scope): string {
  let rest = scope.rule(`${scope.name}-rest`, "ws");
  const starts: string[] = [];
  let optionalUpToHere = true;
  const tails = properties.toReversed().map(({ pair, required }) => {
    const start = `${pair} ${rest}`;
    const body = `ws "," ws ${start}${required ? "" : ` | ${rest}`}`;
    rest = scope.rule(`${scope.name}-rest`, body);
    return { start, required };
  });
  for (const { start, required } of tails.toReversed()) {
    if (optionalUpToHere) starts.push(start);
    if (required) optionalUpToHere = false;
  }
  if (optionalUpToHere) starts.push(`""`);
  return `( ${starts.join(" | ")} )`;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Rule names may hold letters, digits and dashes only. */
function toRuleName(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9-]+/g, "-").slice(0, 80);
}

function freeName(rules: ReadonlyMap<string, string>, name: string): string {
  if (!rules.has(name)) return name;
  let count = 2;
  while (rules.has(`${name}-${count}`)) count += 1;
  return `${name}-${count}`;
}
