/** Messages and tools to the prompt text that a model was trained on, by the Jinja template in its file. */
import { randomBytes } from "node:crypto";
import { Template } from "@huggingface/jinja";
import { breakControlTokens, mapTexts } from "../core/control-tokens.ts";
import { AgentError, errorMessage } from "../core/errors.ts";
import { messageText } from "../core/message.ts";
import type { Message } from "../core/message.ts";
import type { ToolSchema } from "../core/model.ts";
import { createTemplateQuirks, joinUserTurns, placeSystem, shortenCallIds } from "./template-quirks.ts";
import type { TemplateQuirks } from "./template-quirks.ts";

/** For base models, which have no template of their own. */
const CHATML =
  "{%- for m in messages -%}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endfor -%}" +
  "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}";

export interface ChatTemplateOptions {
  /** Jinja source; absent for base models. */
  source: string | undefined;
  bosToken: string;
  eosToken: string;
}

interface RenderRequest {
  messages: readonly Message[];
  tools: readonly ToolSchema[];
  /** `chat_template_kwargs` of the request, such as `enable_thinking`. */
  variables?: Readonly<Record<string, unknown>>;
  /** Stands in the prompt where an image goes, in the order of the messages; absent: images leave no trace. */
  mediaMarker?: string;
}

export interface ChatTemplate {
  readonly source: string;
  /** Ids of calls must be nine letters or digits; others in messages are shortened. */
  readonly shortCallIds: boolean;
  /** A text in which no control token of this template counts as one. */
  toWords(text: string): string;
  /** Throws `AgentError` `model_rejected` with the template's own words when it refuses the conversation. */
  render(request: RenderRequest): string;
}

/**
 * The library brings `strftime_now`, `raise_exception` and a `tojson` that spaces like Python's.
 * Throws `AgentError` `engine_failed` when the template is no Jinja that can be parsed.
 */
export function createChatTemplate({
  source = CHATML,
  bosToken,
  eosToken,
}: ChatTemplateOptions): ChatTemplate {
  const template = parseTemplate(source);
  const renderMessages = (
    messages: readonly unknown[],
    { tools, variables }: Pick<RenderRequest, "variables"> & { tools: readonly ToolSchema[] },
  ): string =>
    template.render({
      ...variables,
      messages,
      // Templates ask both `if tools` and `tools is not none`.
      tools: tools.length > 0 ? tools : null,
      add_generation_prompt: true,
      bos_token: bosToken,
      eos_token: eosToken,
    });
  const ownTokens = [bosToken, eosToken].filter(
    (token) => /^[<[]./.test(token) && breakControlTokens(token) === token,
  );
  const toWords = (text: string): string =>
    ownTokens.reduce(
      (rest, token) => rest.replaceAll(token, `${token[0]}\\${token.slice(1)}`),
      breakControlTokens(text),
    );
  const quirks = createTemplateQuirks(source, (messages) => renderMessages(messages, { tools: [] }));
  // No text can hold it, because nobody knows it.
  const image = `image-${randomBytes(12).toString("hex")}`;
  return {
    source,
    shortCallIds: quirks.shortCallIds,
    toWords,
    render: ({ messages, tools, variables, mediaMarker }) => {
      const marker = mediaMarker ?? "";
      const toText = (text: string): string => toWords(breakMarker(text, marker));
      const options = {
        // Only the template itself may write control tokens: in texts they are words like any others.
        tools: mapTexts(tools, toText),
        ...(variables === undefined ? {} : { variables }),
      };
      const renderAs = (all: readonly Message[]): string => {
        const plain = all.map((message) =>
          toTemplateMessage(message, {
            objects: quirks.objectArguments,
            image: mediaMarker === undefined ? "" : image,
          }),
        );
        return renderMessages(mapTexts(plain, toText), options).replaceAll(image, marker);
      };
      return renderFitting(messages, { quirks, renderAs });
    },
  };
}

/** A prompt has as many images as markers, so none of them may come from a text. */
function breakMarker(text: string, marker: string): string {
  return marker === "" ? text : text.replaceAll(marker, `${marker.slice(0, 1)}\\${marker.slice(1)}`);
}

/** Changes the messages only as far as the template needs it. */
function renderFitting(
  messages: readonly Message[],
  { quirks, renderAs }: { quirks: TemplateQuirks; renderAs: (messages: readonly Message[]) => string },
): string {
  const placed = placeSystem(messages, quirks);
  const sent = quirks.shortCallIds ? shortenCallIds(placed) : placed;
  try {
    return renderAs(sent);
  } catch (cause) {
    const joined = joinUserTurns(sent);
    if (joined !== sent) return renderFitting(joined, { quirks, renderAs });
    throw new AgentError(
      "model_rejected",
      `The model's chat template refuses this conversation: ${errorMessage(cause)}`,
      { cause },
    );
  }
}

function parseTemplate(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    const message = `The model's chat template cannot be used: ${errorMessage(cause)}. Choose another file of this model.`;
    throw new AgentError("engine_failed", message, { cause });
  }
}

function toTemplateMessage(
  message: Message,
  { objects, image }: { objects: boolean; image: string },
): Record<string, unknown> {
  const content = toTemplateText(message, image);
  if (message.role !== "assistant" || message.tool_calls === undefined) return { ...message, content };
  const calls = message.tool_calls.map((call) => ({
    ...call,
    function: {
      ...call.function,
      arguments: objects ? parseArguments(call.function.arguments) : call.function.arguments,
    },
  }));
  return { ...message, content, tool_calls: calls };
}

function toTemplateText(message: Message, image: string): string {
  if (!Array.isArray(message.content)) return messageText(message);
  return message.content.map((part) => (part.type === "text" ? part.text : image)).join("");
}

function parseArguments(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
