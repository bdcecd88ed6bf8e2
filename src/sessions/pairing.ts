/** Every call of the assistant with exactly one result, right after it: a strict server refuses anything else. */
import type { AssistantMessage, Message, ToolMessage } from "../core/message.ts";

interface Turn {
  assistant: AssistantMessage;
  /** By position of the call. */
  results: (ToolMessage | undefined)[];
}

/** By id of the call: the places that wait for a result, the next one to be filled last. */
type OpenPlaces = Map<string, { turn: Turn; position: number }[]>;

interface PairedConversation {
  messages: Message[];
  /** Ids of calls without a result, in source order. */
  unanswered: string[];
}

/**
 * Puts each result behind its call, in source order. A result whose call is not there, or already has one, is left out. Ids may repeat
 * across turns, as some servers number calls per reply; then the newest turn is meant.
 */
export function pairCalls(messages: readonly Message[]): PairedConversation {
  const items: (Message | Turn)[] = [];
  const open: OpenPlaces = new Map();
  for (const message of messages) {
    if (message.role === "tool") {
      const place = open.get(message.tool_call_id)?.pop();
      if (place !== undefined) place.turn.results[place.position] = message;
    } else if (message.role === "assistant" && (message.tool_calls?.length ?? 0) > 0) {
      items.push(openTurn(message, open));
    } else {
      items.push(message);
    }
  }
  const paired: PairedConversation = { messages: [], unanswered: [] };
  for (const item of items) {
    if ("assistant" in item) closeTurn(item, paired);
    else paired.messages.push(item);
  }
  return paired;
}

function openTurn(assistant: AssistantMessage, open: OpenPlaces): Turn {
  const calls = assistant.tool_calls ?? [];
  const turn: Turn = { assistant, results: calls.map(() => undefined) };
  for (const [position, { id }] of [...calls.entries()].reverse()) {
    const places = open.get(id);
    if (places === undefined) open.set(id, [{ turn, position }]);
    else places.push({ turn, position });
  }
  return turn;
}

function closeTurn({ assistant, results }: Turn, { messages, unanswered }: PairedConversation): void {
  messages.push(assistant);
  for (const [position, result] of results.entries()) {
    const call = assistant.tool_calls?.[position];
    if (result !== undefined) messages.push(result);
    else if (call !== undefined) unanswered.push(call.id);
  }
}

/** What the model is told about a call whose result was never stored. */
export function toInterruptedResult(callId: string): ToolMessage {
  const error =
    "interrupted: the agent was stopped during this call, so it may have partly happened. Check before repeating it.";
  return { role: "tool", tool_call_id: callId, content: JSON.stringify({ ok: false, error }) };
}
