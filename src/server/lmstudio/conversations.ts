/** Conversations of `POST /api/v1/chat`, which clients go on with by the id of an answer. In memory, the oldest go first. */
import { randomBytes } from "node:crypto";
import type { Message } from "../../core/message.ts";

export interface Conversations {
  /** Returns the new id; every answer has one of its own, so that a conversation can branch. */
  add(messages: readonly Message[]): string;
  /** Absent: never there, or gone. */
  find(id: string): readonly Message[] | undefined;
}

export interface ConversationLimits {
  count: number;
  /** Characters of all of them, what branches share counted once for each. */
  chars: number;
}

const DEFAULT_LIMITS: ConversationLimits = { count: 10_000, chars: 64_000_000 };

export function createConversations(limits: ConversationLimits = DEFAULT_LIMITS): Conversations {
  const kept = new Map<string, { messages: readonly Message[]; chars: number }>();
  let chars = 0;
  const makeRoom = (): void => {
    for (const [id, oldest] of kept) {
      if (kept.size <= limits.count && (chars <= limits.chars || kept.size === 1)) return;
      kept.delete(id);
      chars -= oldest.chars;
    }
  };
  return {
    add: (messages) => {
      const id = `resp_${randomBytes(24).toString("hex")}`;
      const size = messages.reduce((sum, message) => sum + countChars(message), 0);
      kept.set(id, { messages, chars: size });
      chars += size;
      makeRoom();
      return id;
    },
    find: (id) => kept.get(id)?.messages,
  };
}

function countChars({ content }: Message): number {
  if (content === null || typeof content === "string") return content?.length ?? 0;
  return content.reduce(
    (sum, part) => sum + (part.type === "text" ? part.text.length : part.image_url.url.length),
    0,
  );
}
