/** An answer that is held back until it is known to keep to its schema, as far as no grammar could see to it. */
import type { LoadedModel } from "../../engine/manager/model-manager.ts";
import type { AnswerForm } from "./answer-form.ts";
import type { ChatEvent } from "./chat.ts";
import type { ChatRequest } from "./chat-request.ts";
import { ApiFailure, PERMANENT, toApiError } from "../http/errors.ts";

type Held = readonly Extract<ChatEvent, { type: "part" | "finished" }>[];

/** Lets through what is told of the prompt and the thinking, and returns the rest. */
export async function* holdAnswer(events: AsyncIterable<ChatEvent>): AsyncGenerator<ChatEvent, Held, void> {
  const held: Held[number][] = [];
  for await (const event of events) {
    const waits = event.type === "finished" || (event.type === "part" && event.part.type !== "reasoning");
    if (waits) held.push(event);
    else yield event;
  }
  return held;
}

/** A second answer in place of the first: its thinking is left out too, as some was shown already. */
export async function collectAnswer(events: AsyncIterable<ChatEvent>): Promise<Held> {
  const held: Held[number][] = [];
  for await (const event of events) {
    if (event.type === "finished" || (event.type === "part" && event.part.type !== "reasoning"))
      held.push(event);
  }
  return held;
}

/** `undefined` also for answers that were cut or are calls: they are none of the schema's. */
export function findFault(held: Held, check: NonNullable<AnswerForm["findFault"]>): string | undefined {
  const finished = held.find((event) => event.type === "finished");
  if (finished?.reason !== "stop") return undefined;
  return check(
    held
      .map((event) => (event.type === "part" && event.part.type === "content" ? event.part.text : ""))
      .join(""),
  );
}

export function withOtherSeed(request: ChatRequest): ChatRequest {
  const { seed } = request.sampling;
  // Without a seed every answer has one of its own; at a temperature of 0 another one changes nothing.
  const { temperature } = request.sampling;
  return {
    ...request,
    sampling: {
      ...request.sampling,
      ...(seed === undefined ? {} : { seed: (seed + 1) % 2 ** 32 }),
      ...(temperature === 0 ? { temperature: SECOND_TEMPERATURE } : {}),
    },
  };
}

const SECOND_TEMPERATURE = 0.6;

/** Throws `ApiFailure` where the schema is strict. */
export function reportFault(
  { format }: ChatRequest,
  { id }: LoadedModel,
  { fault, log }: { fault: string; log: (line: string) => void },
): void {
  const message = `The model wrote twice what the schema does not allow: ${fault}.`;
  if (format.type !== "schema" || !format.strict) {
    log(`${id}: ${message}`);
    return;
  }
  throw new ApiFailure(
    toApiError(400, `${message} Say it in the prompt, or leave that keyword out.`, {
      code: "schema_not_kept",
      headers: PERMANENT,
    }),
  );
}
