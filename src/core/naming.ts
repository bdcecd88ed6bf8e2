/** What the requests plainly ask for: the guard around a model that makes names up when it is lost (`namedPathsOnly` of a profile). */
import { messageText, type Message } from "./message.ts";
import type { Tool } from "./tool.ts";
import { isOwnRequest, toCallRecords, toFilePath } from "./transcript.ts";

export interface Naming {
  /** The newest request. */
  request: string;
  /** Texts whose names may be changed: the requests, and the paths that earlier ones have read. */
  texts: readonly string[];
}

/** Of the messages that are sent. What an earlier request has read was named in its answer, so "it" may be that. */
export function toNaming(messages: readonly Message[]): Naming {
  const requests = messages.filter(isOwnRequest).map(messageText);
  const earlier = messages.slice(0, messages.findLastIndex(isOwnRequest));
  const read = toCallRecords(earlier)
    .filter(({ name, result }) => name === "read" && result?.["ok"] === true)
    .flatMap((record) => toFilePath(record) ?? []);
  return { request: requests.at(-1) ?? "", texts: [...requests, ...read] };
}

/** An order not to do something, at the start of a request or of a part of it; "I don't need it" and "why don't you" are none. */
const NEGATION =
  /(?:^|[.;,!:]|\b(?:and|but|please|pls|just|also|then|now|no|ok|hey))\s*(?:do not|don(?:'|’)?t|never)\b(?! (?:forget|hesitate|worry))/i;

/** Why a changing call is not what was asked for: nobody has named its path, or the newest request says what not to do. */
export function findDoubt(tool: Tool, input: unknown, { request, texts }: Naming): string | undefined {
  const isChange = tool.access === "write" || tool.access === "execute";
  if (!isChange) return undefined;
  // What was given as a text or a command may say "not".
  const own = Object.values(input as object)
    .flatMap((text) => (typeof text === "string" ? text.split("\n") : []))
    .filter((line) => line !== "")
    .reduce((rest, line) => rest.replaceAll(line, ""), request);
  if (NEGATION.test(own))
    return "The request says what not to do, which this model does not understand; nothing was changed.";
  const { path } = input as Record<string, unknown>;
  if (tool.access !== "write" || typeof path !== "string") return undefined;
  const known = path.split("/").every((part) => part === "" || part === "." || isNamed(part, texts));
  return known ? undefined : `The request does not name \`${path}\`, so it was left alone.`;
}

/** Words that stand for a name; a model that takes one for a name is lost. */
const PRONOUNS = new Set(["it", "this", "that", "them", "there"]);

/** As a whole, so that neither "title" names `it` nor "it's.txt" names `s.txt`; a stop may end the sentence. */
function isNamed(part: string, texts: readonly string[]): boolean {
  if (PRONOUNS.has(part.toLowerCase())) return false;
  const literal = part.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
  const whole = new RegExp(
    String.raw`(?<![\p{L}\p{N}_]|[\p{L}\p{N}][-.'’])${literal}(?![\p{L}\p{N}_]|[-.][\p{L}\p{N}])`,
    "u",
  );
  return texts.some((text) => whole.test(text));
}
