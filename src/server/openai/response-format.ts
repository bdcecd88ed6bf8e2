/** What an answer has to look like: OpenAI's `response_format`, and the shorter ways of llama.cpp's server. */
import * as z from "zod/mini";
import type { JsonSchema } from "../../core/tool.ts";
import type { ReplyFormat } from "../chat/chat-request.ts";
import { refuse } from "./refuse.ts";

const optional = z.nullish;
const schema = optional(z.looseObject({}));

export const formatFields = {
  response_format: optional(
    z.looseObject({
      type: z.enum(["text", "json_object", "json_schema"]),
      schema,
      json_schema: optional(
        z.looseObject({ name: optional(z.string()), strict: optional(z.boolean()), schema }),
      ),
    }),
  ),
  json_schema: schema,
  grammar: optional(z.string()),
};

const parsed = z.object(formatFields);

/** Throws `ApiFailure` (400) where more than one is asked for. */
export function toFormat(body: z.output<typeof parsed>): ReplyFormat {
  const format = toNamedFormat(body.response_format);
  const others: [field: string, format: ReplyFormat][] = [];
  if (isGiven(body.json_schema)) others.push(["json_schema", toSchema(body.json_schema, false)]);
  if (isGiven(body.grammar) && body.grammar.trim() !== "")
    others.push(["grammar", { type: "gbnf", grammar: body.grammar }]);
  const [first, second] = others;
  if (first === undefined) return format;
  if (second === undefined && format.type === "text") return first[1];
  const [field] = second ?? first;
  throw refuse(
    `\`${field}\` asks for another form of the answer than the field before it. Send one of them.`,
    field,
  );
}

function toNamedFormat(format: z.output<typeof parsed>["response_format"]): ReplyFormat {
  if (!isGiven(format) || format.type === "text") return { type: "text" };
  const given = format.json_schema?.schema ?? format.schema;
  const strict = format.json_schema?.strict ?? false;
  return isGiven(given) ? toSchema(given, strict) : { type: "json" };
}

function toSchema(given: JsonSchema, strict: boolean): ReplyFormat & { type: "schema" } {
  return { type: "schema", schema: given, strict };
}

function isGiven<Value>(value: Value | null | undefined): value is Value {
  return value !== undefined && value !== null;
}
