/** Items of a conversation, as the Responses API keeps them, to the messages of a chat. */
import * as z from "zod/mini";
import type { AssistantMessage, ContentPart, Message } from "../../core/message.ts";
import { parseField } from "../http/body.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";
import { unsealText } from "../chat/sealed-text.ts";
import { isImageData, joinTurns, toUserContent } from "../chat/turns.ts";
import { toModelName } from "./tools.ts";

export type Item = Readonly<Record<string, unknown>>;

/** What other servers' tools left in a conversation, and what only OpenAI can open: it says nothing to a model here. */
const IGNORED = new Set([
  "additional_tools",
  "compaction",
  "compaction_summary",
  "compaction_trigger",
  "code_interpreter_call",
  "computer_call",
  "computer_call_output",
  "file_search_call",
  "ghost_snapshot",
  "image_generation_call",
  "local_shell_call",
  "local_shell_call_output",
  "mcp_approval_request",
  "mcp_approval_response",
  "mcp_call",
  "mcp_list_tools",
  "tool_search_call",
  "tool_search_output",
  "web_search_call",
]);

const optional = z.nullish;
const part = z.looseObject({ type: z.string() });
const content = z.union([z.string(), z.array(part)]);
const textPart = z.object({ text: z.string() });
const refusalPart = z.object({ refusal: z.string() });
const imagePart = z.object({ image_url: z.string() });

const message = z.object({
  role: z.enum(["user", "assistant", "system", "developer"]),
  content: optional(content),
});
const namespace = optional(z.string());
const functionCall = z.object({
  call_id: z.string(),
  name: z.string(),
  namespace,
  arguments: z.union([z.string(), z.looseObject({})]),
});
const customCall = z.object({ call_id: z.string(), name: z.string(), namespace, input: z.string() });
const callOutput = z.object({ call_id: z.string(), output: content });
const texts = z.array(z.looseObject({ text: z.optional(z.string()) }));
const reasoning = z.object({
  summary: optional(texts),
  content: optional(texts),
  encrypted_content: optional(z.string()),
});

type Path = readonly (string | number)[];

/** Any value that came as `input` to items; throws `ApiFailure` (400). */
export function parseInput(input: string | readonly unknown[]): Item[] {
  if (typeof input === "string") return [{ type: "message", role: "user", content: input }];
  return input.map((value, index) => {
    const item = parseField(value, z.looseObject({ type: optional(z.string()) }), ["input", index]);
    const type = item.type ?? ("role" in item ? "message" : "item_reference");
    return { ...item, type };
  });
}

/** Throws `ApiFailure` (400) that names the item and its field. */
export function toMessages(items: readonly Item[], instructions: string): Message[] {
  const builder = createBuilder();
  if (instructions !== "") builder.add({ role: "system", content: instructions });
  for (const [index, item] of items.entries()) addItem(builder, item, ["input", index]);
  return joinTurns(builder.finish());
}

interface Builder {
  add(message: Message): void;
  /** The assistant's turn that is being put together. */
  turn(): AssistantMessage;
  /** Images that a tool gave: tool messages hold text only, so they follow as the user's. */
  show(images: readonly ContentPart[]): void;
  finish(): Message[];
}

function createBuilder(): Builder {
  const messages: Message[] = [];
  let images: ContentPart[] = [];
  let turn: AssistantMessage | undefined;
  const flushImages = (): void => {
    if (images.length > 0) messages.push({ role: "user", content: images });
    images = [];
  };
  return {
    add: (one) => {
      turn = undefined;
      if (one.role !== "tool") flushImages();
      messages.push(one);
    },
    turn: () => {
      if (turn === undefined) {
        flushImages();
        turn = { role: "assistant", content: "" };
        messages.push(turn);
      }
      return turn;
    },
    show: (more) => {
      for (const image of more) images.push(image);
    },
    finish: () => {
      flushImages();
      return messages;
    },
  };
}

function addItem(builder: Builder, item: Item, at: Path): void {
  switch (item["type"]) {
    case "message":
      return addMessage(builder, parseField(item, message, at), at);
    case "reasoning":
      return addReasoning(builder.turn(), parseField(item, reasoning, at));
    case "function_call": {
      const { arguments: input, ...call } = parseField(item, functionCall, at);
      return addCall(builder.turn(), {
        ...call,
        input: toArguments(input),
      });
    }
    case "custom_tool_call": {
      const { input, ...call } = parseField(item, customCall, at);
      return addCall(builder.turn(), { ...call, input: JSON.stringify({ input }) });
    }
    case "function_call_output":
    case "custom_tool_call_output": {
      const { call_id, output } = parseField(item, callOutput, at);
      const parts = toParts(output, [...at, "output"]);
      const images = parts.filter(({ type }) => type !== "text");
      const text = toUserContent(parts.filter(({ type }) => type === "text")) as string;
      builder.add({
        role: "tool",
        tool_call_id: call_id,
        content: text || (images.length > 0 ? "(image)" : ""),
      });
      return builder.show(images);
    }
    default:
      if (!IGNORED.has(String(item["type"]))) throw unknownItem(item, at);
  }
}

/** Clients leave out, or send empty, the arguments of a call that has none. */
function toArguments(input: string | object): string {
  const text = typeof input === "string" ? input : JSON.stringify(input);
  return text.trim() === "" ? "{}" : text;
}

function addMessage(builder: Builder, { role, content: given }: z.output<typeof message>, at: Path): void {
  const parts = toParts(given ?? "", [...at, "content"]);
  if (role === "user") return builder.add({ role, content: toUserContent(parts) });
  const text = toText(parts, [...at, "content"]);
  if (role !== "assistant") return builder.add({ role: "system", content: text });
  const turn = builder.turn();
  turn.content = addText(turn.content, text, "\n\n");
}

function addReasoning(
  turn: AssistantMessage,
  { summary, content: whole, encrypted_content: sealed }: z.output<typeof reasoning>,
): void {
  const join = (list: z.output<typeof texts> | null | undefined): string =>
    (list ?? []).map(({ text }) => text ?? "").join("\n");
  const text = join(whole) || (sealed && unsealText(sealed)) || join(summary);
  if (text !== "") turn.reasoning_content = addText(turn.reasoning_content, text, "\n");
}

function addText(before: string | null | undefined, text: string, between: string): string {
  return before && text ? `${before}${between}${text}` : before || text;
}

function addCall(
  turn: AssistantMessage,
  call: { call_id: string; name: string; namespace?: string | null | undefined; input: string },
): void {
  const name = toModelName(call.name, call.namespace);
  turn.tool_calls ??= [];
  turn.tool_calls.push({ id: call.call_id, type: "function", function: { name, arguments: call.input } });
}

function toParts(given: z.output<typeof content>, at: Path): ContentPart[] {
  if (typeof given === "string") return [{ type: "text", text: given }];
  return given.map((one, index) => toPart(one, [...at, index]));
}

function toPart(one: z.output<typeof part>, at: Path): ContentPart {
  switch (one.type) {
    case "input_text":
    case "output_text":
    case "text":
    case "summary_text":
    case "reasoning_text":
      return { type: "text", text: parseField(one, textPart, at).text };
    case "refusal":
      return { type: "text", text: parseField(one, refusalPart, at).refusal };
    case "input_image": {
      if (typeof one["image_url"] !== "string" && one["file_id"] !== undefined)
        throw refusePart([...at, "file_id"], "files are not kept here; send the image as a `data:` URL");
      const { image_url: url } = parseField(one, imagePart, at);
      if (!isImageData(url))
        throw refusePart(
          [...at, "image_url"],
          "images are not fetched; send it as a `data:image/…;base64,` URL",
        );
      return { type: "image_url", image_url: { url } };
    }
    default:
      throw refusePart([...at, "type"], `\`${one.type}\` is no content that a model here reads`);
  }
}

function toText(parts: readonly ContentPart[], at: Path): string {
  const image = parts.findIndex(({ type }) => type !== "text");
  if (image >= 0)
    throw refusePart([...at, image], "only the user's messages and results of tools hold images");
  return toUserContent(parts) as string;
}

function refusePart(at: Path, why: string): ApiFailure {
  const param = at.join(".");
  return new ApiFailure(toApiError(400, `\`${param}\`: ${why}.`, { param, code: "unsupported_content" }));
}

function unknownItem(item: Item, at: Path): ApiFailure {
  const param = [...at, "type"].join(".");
  const message = `\`${param}\` is \`${String(item["type"]).slice(0, 80)}\`, which this server does not know.`;
  return new ApiFailure(toApiError(400, message, { param, code: "unsupported" }));
}
