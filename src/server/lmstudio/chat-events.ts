/** The events of `POST /api/v1/chat` (https://lmstudio.ai/docs/developer/rest/streaming-events), and the whole answer they add up to. */
import type { Timings } from "../../engine/protocol.ts";
import type { ChatEvent } from "../chat/chat.ts";
import type { ReplyPart } from "../chat/reply-parser.ts";
import type { Usage } from "../chat/usage.ts";

export interface OutputItem {
  type: "message" | "reasoning";
  content: string;
}

export interface ChatOutcome {
  output: readonly OutputItem[];
  /** Absent as long as it is not finished. */
  timings?: Timings;
  usage?: Usage;
  /** From the start to the first word; absent before it. */
  firstTokenMs?: number;
}

export type NativeEvent = { type: string } & Record<string, unknown>;

export interface ChatEventWriter {
  push(event: ChatEvent): NativeEvent[];
  outcome(): ChatOutcome;
}

export function createChatEventWriter(now: () => number = () => performance.now()): ChatEventWriter {
  const startedAt = now();
  const output: OutputItem[] = [];
  let reading = false;
  let open: OutputItem | undefined;
  let end: Pick<ChatOutcome, "timings" | "usage"> = {};
  let firstTokenMs: number | undefined;

  const close = (): NativeEvent[] => {
    const ended = open === undefined ? [] : [{ type: `${open.type}.end` }];
    open = undefined;
    return ended;
  };
  const endReading = (): NativeEvent[] => {
    if (!reading) return [];
    reading = false;
    return [{ type: "prompt_processing.end" }];
  };
  const addPart = (part: ReplyPart): NativeEvent[] => {
    // There are no tools in such a chat, and so no calls.
    if (part.type !== "content" && part.type !== "reasoning") return [];
    firstTokenMs ??= now() - startedAt;
    const type = part.type === "content" ? "message" : "reasoning";
    const events = endReading();
    if (open?.type !== type) {
      events.push(...close(), { type: `${type}.start` });
      open = { type, content: "" };
      output.push(open);
    }
    open.content += part.text;
    return [...events, { type: `${type}.delta`, content: part.text }];
  };
  const push = (event: ChatEvent): NativeEvent[] => {
    if (event.type === "accepted") {
      reading = true;
      return [{ type: "prompt_processing.start" }];
    }
    if (event.type === "progress") {
      const progress = event.total === 0 ? 1 : event.processed / event.total;
      return [{ type: "prompt_processing.progress", progress: Math.min(1, progress) }];
    }
    if (event.type === "part") return addPart(event.part);
    end = { timings: event.timings, usage: event.usage };
    return [...endReading(), ...close()];
  };
  return {
    push,
    outcome: () => ({
      output,
      ...end,
      ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
    }),
  };
}
