/** Messages made of Anthropic's content blocks to the messages of a chat. */
import * as z from "zod/mini";
import type { AssistantMessage, ContentPart, Message } from "../../core/message.ts";
import { parseField } from "../http/body.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { unsealText } from "../chat/sealed-text.ts";
import { isImageData, joinTurns, toUserContent } from "../chat/turns.ts";

const optional = z.nullish;
const block = z.looseObject({ type: z.string() });
export const content = z.union([z.string(), z.array(block)]);
export const message = z.object({ role: z.enum(["user", "assistant", "system"]), content });

const text = z.object({ text: z.string() });
const image = z.object({ source: block });
const base64 = z.object({ media_type: z.string(), data: z.string() });
const url = z.object({ url: z.string() });
const document = z.object({ source: block, title: optional(z.string()), context: optional(z.string()) });
const plainText = z.object({ data: z.string() });
const nested = z.object({ content });
const searchResult = z.object({ source: z.string(), title: z.string(), content });
const toolReference = z.object({ tool_name: z.string() });
const toolUse = z.object({ id: z.string(), name: z.string(), input: optional(z.looseObject({})) });
const toolResult = z.object({
  tool_use_id: z.string(),
  content: optional(content),
  is_error: optional(z.boolean()),
});
const thinking = z.object({ thinking: z.string(), signature: optional(z.string()) });

type Block = z.output<typeof block>;
type Content = z.output<typeof content>;
type Path = readonly (string | number)[];

/** What Anthropic's own tools left in a conversation, and what only Anthropic can open: it says nothing to a model here. */
const IGNORED = new Set([
  "redacted_thinking",
  "server_tool_use",
  "web_search_tool_result",
  "web_fetch_tool_result",
  "code_execution_tool_result",
  "bash_code_execution_tool_result",
  "text_editor_code_execution_tool_result",
  "tool_search_tool_result",
  "container_upload",
  "mcp_tool_use",
  "mcp_tool_result",
  "fallback",
]);

/** Claude Code puts one first, with a value that changes each time: a prompt that begins with it is never read from the cache. */
const BILLING_LINE = /^x-anthropic-billing-header:[^\n]*\n*/;

/** Throws `ApiFailure` (400) that names the block and its field. */
export function toMessages(
  messages: readonly z.output<typeof message>[],
  system: Content | null | undefined,
): Message[] {
  const instructions = toSystem(system ?? "");
  const turns = messages.flatMap((one, index) => toTurn(one, ["messages", index]));
  const whole: Message[] =
    instructions === "" ? turns : [{ role: "system", content: instructions }, ...turns];
  return joinTurns(whole, { toNote: toReminder });
}

/** Claude Code's own words for what the system says in the middle of a conversation. */
function toReminder(text: string): string {
  return `<system-reminder>\n${text}\n</system-reminder>`;
}

function toSystem(system: Content): string {
  const parts = typeof system === "string" ? [system] : system.map(toSystemText);
  return parts
    .map((one) => one.replace(BILLING_LINE, ""))
    .filter((one) => one !== "")
    .join("\n\n");
}

function toSystemText(one: Block, index: number): string {
  const at = ["system", index];
  if (one.type === "text") return parseField(one, text, at).text;
  throw refuse([...at, "type"], `\`${one.type}\` is no content of a system prompt`);
}

function toTurn({ role, content: given }: z.output<typeof message>, at: Path): Message[] {
  const blocks = typeof given === "string" ? [{ type: "text", text: given }] : given;
  const path = [...at, "content"];
  if (role === "assistant") return [toAssistant(blocks, path)];
  if (role === "user") return toUser(blocks, path);
  const parts = blocks.flatMap((one, index) => toParts(one, [...path, index]));
  return [{ role: "system", content: toUserContent(parts) as string }];
}

function toAssistant(blocks: readonly Block[], at: Path): AssistantMessage {
  const turn: AssistantMessage = { role: "assistant", content: "" };
  for (const [index, one] of blocks.entries()) {
    const path = [...at, index];
    if (one.type === "text") turn.content += parseField(one, text, path).text;
    else if (one.type === "thinking") addThinking(turn, parseField(one, thinking, path));
    else if (one.type === "tool_use") addCall(turn, parseField(one, toolUse, path));
    else if (!IGNORED.has(one.type))
      throw refuse([...path, "type"], `\`${one.type}\` is no content of an assistant`);
  }
  return turn;
}

/** Thinking that was left out of the answer is in its signature. */
function addThinking(
  turn: AssistantMessage,
  { thinking: shown, signature }: z.output<typeof thinking>,
): void {
  const whole = shown || unsealText(signature ?? "") || "";
  if (whole !== "") turn.reasoning_content = (turn.reasoning_content ?? "") + whole;
}

function addCall(turn: AssistantMessage, { id, name, input }: z.output<typeof toolUse>): void {
  const call = { id, type: "function" as const, function: { name, arguments: JSON.stringify(input ?? {}) } };
  turn.tool_calls ??= [];
  turn.tool_calls.push(call);
}

/** Results of tools first, as templates want them right after the calls; images in them follow as the user's. */
function toUser(blocks: readonly Block[], at: Path): Message[] {
  const results: Message[] = [];
  const images: ContentPart[][] = [];
  const parts: ContentPart[][] = [];
  for (const [index, one] of blocks.entries()) {
    const path = [...at, index];
    if (one.type !== "tool_result") {
      if (!IGNORED.has(one.type)) parts.push(toParts(one, path));
      continue;
    }
    const { result, images: shown } = toResult(parseField(one, toolResult, path), path);
    results.push(result);
    images.push(shown);
  }
  const said = [...images, ...parts].flat();
  return said.length === 0 && results.length > 0
    ? results
    : [...results, { role: "user", content: toUserContent(said) }];
}

function toResult(
  { tool_use_id: id, content: given, is_error: failed }: z.output<typeof toolResult>,
  at: Path,
): { result: Message; images: ContentPart[] } {
  const blocks = typeof given === "string" ? [{ type: "text", text: given }] : (given ?? []);
  const parts = blocks.flatMap((one, index) => toParts(one, [...at, "content", index]));
  const images = parts.filter(({ type }) => type !== "text");
  const words = toUserContent(parts.filter(({ type }) => type === "text")) as string;
  const shown = words || (images.length > 0 ? "(image)" : "");
  return { result: { role: "tool", tool_call_id: id, content: failed ? markError(shown) : shown }, images };
}

/** Chat templates have no place for `is_error`; most clients say it in words already. */
function markError(words: string): string {
  return /error|fail/i.test(words.slice(0, 200)) ? words : `Error: ${words}`;
}

function toParts(one: Block, at: Path): ContentPart[] {
  switch (one.type) {
    case "text":
      return [{ type: "text", text: parseField(one, text, at).text }];
    case "image":
      return [toImage(parseField(one, image, at).source, [...at, "source"])];
    case "document":
      return toDocument(parseField(one, document, at), at);
    case "search_result": {
      const { source, title, content: found } = parseField(one, searchResult, at);
      return [{ type: "text", text: `${title}\n${source}` }, ...toNested(found, [...at, "content"])];
    }
    case "tool_reference":
      return [{ type: "text", text: parseField(one, toolReference, at).tool_name }];
    default:
      throw refuse([...at, "type"], `\`${one.type}\` is no content that a model here reads`);
  }
}

function toNested(given: Content, at: Path): ContentPart[] {
  if (typeof given === "string") return [{ type: "text", text: given }];
  return given.flatMap((one, index) => toParts(one, [...at, index]));
}

function toImage(source: Block, at: Path): ContentPart {
  if (source.type === "base64") {
    const { media_type: mediaType, data } = parseField(source, base64, at);
    const whole = `data:${mediaType};base64,${data}`;
    if (isImageData(whole)) return { type: "image_url", image_url: { url: whole } };
    throw refuse([...at, "media_type"], `\`${mediaType.slice(0, 80)}\` is no type of image`);
  }
  if (source.type === "url" && isImageData(parseField(source, url, at).url))
    return { type: "image_url", image_url: { url: parseField(source, url, at).url } };
  throw refuse(at, "images are not fetched, and no files are kept; send it as `base64`");
}

function toDocument({ source, title, context }: z.output<typeof document>, at: Path): ContentPart[] {
  const head = [title, context].filter((one) => typeof one === "string" && one !== "").join("\n");
  const parts: ContentPart[] = head === "" ? [] : [{ type: "text", text: head }];
  const path = [...at, "source"];
  if (source.type === "text")
    return [...parts, { type: "text", text: parseField(source, plainText, path).data }];
  if (source.type === "content")
    return [...parts, ...toNested(parseField(source, nested, path).content, [...path, "content"])];
  throw refuse([...path, "type"], `\`${source.type}\` documents are not read here; send their text`);
}

function refuse(at: Path, why: string): ApiFailure {
  const param = at.join(".");
  return new ApiFailure(toApiError(400, `\`${param}\`: ${why}.`, { param, code: "unsupported_content" }));
}
