/**
 * Conversations that the server holds, so that a request brings only its new messages: `thread` of the Messages API, which
 * Anthropic's own tool runner uses for every run.
 */
import * as z from "zod/mini";
import { createBoundedStore } from "../bounded-store.ts";
import type { BoundedStore, BoundedStoreOptions } from "../bounded-store.ts";
import { ApiFailure, toApiError } from "../http/errors.ts";

export const thread = z.discriminatedUnion("type", [
  z.object({ type: z.literal("create") }),
  z.object({ type: z.literal("continue"), previous_message_id: z.string() }),
]);

/** The fields of a body that belong to the conversation. */
export interface Conversation<Turn, System> {
  messages: readonly Turn[];
  system: System;
  tools: readonly unknown[];
}

export type Threads = BoundedStore<Conversation<unknown, unknown>>;

export function createThreads(
  bounds: Omit<BoundedStoreOptions<Conversation<unknown, unknown>>, "onRemoved">,
): Threads {
  return createBoundedStore(bounds);
}

/**
 * The whole conversation of a request that goes on from an earlier one. Throws `ApiFailure` with the details that make a client send
 * everything again.
 */
export function continueThread<Turn, System>(
  threads: Threads,
  previousId: string,
  added: Partial<Conversation<Turn, System>>,
): Conversation<Turn, System> {
  const held = threads.get(previousId) as Conversation<Turn, System> | undefined;
  if (held === undefined) {
    const message = `No usable thread state was found for \`previous_message_id\` \`${previousId.slice(0, 200)}\`. Send the whole conversation with \`thread: {"type": "create"}\`.`;
    throw refuse(404, message, "thread_not_found");
  }
  for (const field of ["system", "tools"] as const) {
    if (added[field] === undefined || JSON.stringify(added[field]) === JSON.stringify(held[field])) continue;
    const message = `\`${field}\` differs from what the thread began with. Leave it out, or send the whole conversation with \`thread: {"type": "create"}\`.`;
    throw refuse(400, message, "thread_fingerprint_mismatch");
  }
  return { ...held, messages: [...held.messages, ...(added.messages ?? [])] };
}

function refuse(status: 400 | 404, message: string, code: string): ApiFailure {
  const details = { error_code: code };
  return new ApiFailure(toApiError(status, message, { param: "thread", code, extra: { details } }));
}
