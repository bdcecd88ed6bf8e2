/** What an answer has to look like: the grammar that sees to it, and the check of what no grammar can see to. */
import type { ToolSchema } from "../../core/model.ts";
import { CALL_CLOSE, CALL_OPEN } from "../../engine/schema/call-format.ts";
import { addSchema, GRAMMAR_LIMIT, validateJson } from "../../engine/schema/compile.ts";
import type { SchemaRefusal } from "../../engine/schema/compile.ts";
import { choice, Grammar, literal, repeat, sequence } from "../../engine/schema/grammar.ts";
import type { Expression } from "../../engine/schema/grammar.ts";
import { anyObject, space } from "../../engine/schema/json-text.ts";
import type { ReplyFormat } from "./chat-request.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

export interface AnswerForm {
  /** GBNF for the whole answer. */
  grammar: string;
  /** What is wrong with a finished answer, in words; absent: the grammar leaves nothing to check. */
  findFault?: (text: string) => string | undefined;
  /** Pointers of keywords that nobody looks at. */
  ignored: readonly string[];
}

/** Calls that may come in the answer's place. */
export interface CallChoice {
  tools: readonly ToolSchema[];
  /** More than one call. */
  parallel: boolean;
}

/** `undefined`: any text. Throws `ApiFailure` (400, `schema_not_supported`) that names the keyword. */
export function toAnswerForm(format: ReplyFormat, calls?: CallChoice): AnswerForm | undefined {
  if (format.type === "text") return undefined;
  if (format.type === "gbnf") {
    if (calls === undefined) return { grammar: format.grammar, ignored: [] };
    const message =
      "A `grammar` leaves no room for calls. Send it without `tools`, or with `tool_choice: none`.";
    throw new ApiFailure(toApiError(400, message, { param: "grammar" }));
  }
  const schema = format.type === "json" ? { type: "object" } : format.schema;
  const strict = format.type === "schema" && format.strict;
  const grammar = new Grammar();
  const answer = addSchema(grammar, schema, { strict, name: "answer" });
  if (!answer.ok) throw refuse(answer.refusal);
  const root = calls === undefined ? answer.expression : choice([answer.expression, toCalls(grammar, calls)]);
  const text = grammar.toText(root);
  if (text.length > GRAMMAR_LIMIT)
    throw refuse({ path: "#", keyword: "schema", why: "makes a grammar that is too large" });
  const { unenforced, ignored } = answer;
  return {
    grammar: text,
    ignored,
    ...(unenforced.length === 0 ? {} : { findFault: (written) => findFault(schema, written) }),
  };
}

function refuse({ path, keyword, why }: SchemaRefusal): ApiFailure {
  const message = `The schema cannot be kept: \`${keyword}\` at \`${path}\` ${why}.`;
  return new ApiFailure(
    toApiError(400, message, { code: "schema_not_supported", param: `schema${path}/${keyword}` }),
  );
}

/** As Hermes writes them, which the reply's reader knows whatever the model's own form is. */
function toCalls(grammar: Grammar, { tools, parallel }: CallChoice): Expression {
  const ws = space(grammar);
  const options = tools.map(({ function: { name, parameters } }) => {
    const schema = { type: "object", ...parameters };
    const input = addSchema(grammar, schema, { strict: false, name: `${name}-arguments` });
    return sequence(
      literal(`{"name": ${JSON.stringify(name)}, "arguments": `),
      input.ok ? input.expression : anyObject(grammar),
      literal("}"),
    );
  });
  const call = grammar.rule(
    "call",
    sequence(literal(CALL_OPEN), ws, choice(options), ws, literal(CALL_CLOSE)),
  );
  return parallel ? sequence(call, repeat(sequence(ws, call), 0)) : call;
}

function findFault(schema: unknown, text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "it is no JSON";
  }
  const failure = validateJson(schema, value);
  return failure === undefined
    ? undefined
    : `\`${failure.path}\` ${failure.message} (\`${failure.keyword}\`)`;
}
