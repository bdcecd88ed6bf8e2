/**
 * `context` of `/api/generate`: the conversation so far as numbers that clients send back without reading them. Ours are the UTF-8 bytes
 * of its messages, so that nothing has to be kept here and the chat template sees real turns.
 */
import * as z from "zod/mini";
import type { Message } from "../../core/message.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

/** Marks numbers as ours; another server's tokens mean nothing here. */
const MARK = [76, 77, 65, 1];

const turns = z.array(
  z.discriminatedUnion("role", [
    z.object({ role: z.literal("system"), content: z.string() }),
    z.object({ role: z.literal("user"), content: z.string() }),
    z.object({ role: z.literal("assistant"), content: z.string() }),
  ]),
);

/** Images are left out: they would be sent back and forth with every turn. */
export function encodeConversation(messages: readonly Message[]): number[] {
  const plain = messages.flatMap(({ role, content }) =>
    role === "tool" ? [] : [{ role, content: toText(content) }],
  );
  return [...MARK, ...Buffer.from(JSON.stringify(plain), "utf8")];
}

/** Throws `ApiFailure` (400) for numbers that were not made here. */
export function decodeConversation(context: readonly number[]): Message[] {
  if (context.length === 0) return [];
  const marked = MARK.every((byte, at) => context[at] === byte);
  const parsed = marked ? turns.safeParse(parseJson(context.slice(MARK.length))) : undefined;
  if (parsed?.success === true) return parsed.data;
  const message =
    "`context` was not made by this server. Start anew without it, or send the conversation to `/api/chat`.";
  throw new ApiFailure(toApiError(400, message, { param: "context" }));
}

function parseJson(bytes: readonly number[]): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

function toText(content: Message["content"]): string {
  if (content === null || typeof content === "string") return content ?? "";
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}
