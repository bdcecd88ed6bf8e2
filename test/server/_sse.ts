import type { Json } from "./_agent.ts";

export interface SseEvent {
  event: string | undefined;
  data: Json;
}

/** The events of a whole stream of server-sent events; comments and `[DONE]` are left out. */
export function readEvents(text: string): SseEvent[] {
  return text
    .split("\n\n")
    .filter((block) => block.includes("data: ") && !block.includes("data: [DONE]"))
    .map((block) => ({
      event: /^event: (.+)$/m.exec(block)?.[1],
      data: JSON.parse(/^data: (.+)$/m.exec(block)?.[1] ?? "{}") as Json,
    }));
}
