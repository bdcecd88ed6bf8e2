/** Messages and tools to the prompt text that a model was trained on, by the Jinja template in its file. */
import { Template } from "@huggingface/jinja";
import { breakControlTokens, mapTexts } from "../core/control-tokens.ts";
import { AgentError, errorMessage } from "../core/errors.ts";
import { messageText } from "../core/message.ts";
import type { Message } from "../core/message.ts";
import type { ToolSchema } from "../core/model.ts";

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
}

export interface ChatTemplate {
  readonly source: string;
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
  let wantsObjects: boolean | undefined;
  return {
    source,
    render: ({ messages, tools, variables }) => {
      wantsObjects ??= probeObjects(renderMessages);
      const plain = messages.map((message) => toTemplateMessage(message, wantsObjects === true));
      try {
        // Only the template itself may write control tokens: in texts they are words like any others.
        return renderMessages(mapTexts(plain, toWords), {
          tools: mapTexts(tools, toWords),
          ...(variables === undefined ? {} : { variables }),
        });
      } catch (cause) {
        throw new AgentError(
          "model_rejected",
          `The model's chat template refuses this conversation: ${errorMessage(cause)}`,
          { cause },
        );
      }
    },
  };
}

function parseTemplate(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    const message = `The model's chat template cannot be used: ${errorMessage(cause)}. Choose another file of this model.`;
    throw new AgentError("engine_failed", message, { cause });
  }
}

/** Most templates run arguments through `tojson` and so want an object; a few paste them as text. */
function probeObjects(
  render: (messages: readonly unknown[], options: { tools: readonly ToolSchema[] }) => string,
): boolean {
  const call = {
    id: "call00000",
    type: "function",
    function: { name: "probe", arguments: { probe_key: "probe_value" } },
  };
  const messages = [
    { role: "user", content: "x" },
    { role: "assistant", content: "", tool_calls: [call] },
    { role: "tool", tool_call_id: "call00000", content: "x" },
  ];
  try {
    return render(messages, { tools: [] }).includes("probe_key");
  } catch {
    return true;
  }
}

/** Text content only; images are refused before they come here. */
function toTemplateMessage(message: Message, wantsObjects: boolean): Record<string, unknown> {
  const content = messageText(message);
  if (message.role !== "assistant" || message.tool_calls === undefined) return { ...message, content };
  const calls = message.tool_calls.map((call) => ({
    ...call,
    function: {
      ...call.function,
      arguments: wantsObjects ? parseArguments(call.function.arguments) : call.function.arguments,
    },
  }));
  return { ...message, content, tool_calls: calls };
}

function parseArguments(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
