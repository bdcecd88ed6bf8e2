/** What a chat template can take, found out by rendering short conversations, and messages changed so that it can take them. */
import { createHash } from "node:crypto";
import type { Message, ToolMessage, UserMessage } from "../core/message.ts";
import { messageText } from "../core/message.ts";

/** Renders plain messages without tools; throws where the template refuses. */
type Probe = (messages: readonly unknown[]) => string;

export interface TemplateQuirks {
  /** Arguments of calls as objects; most templates run them through `tojson`, a few paste them as text. */
  readonly objectArguments: boolean;
  /** `first`: a system message elsewhere than at the beginning is refused or lost; `none`: any is refused. */
  readonly systemPlace: "anywhere" | "first" | "none";
  /** Ids of calls must be nine letters or digits, as in Mistral's templates. */
  readonly shortCallIds: boolean;
}

/** Each is found out when it is asked for first. */
export function createTemplateQuirks(source: string, probe: Probe): TemplateQuirks {
  let objectArguments: boolean | undefined;
  let systemPlace: TemplateQuirks["systemPlace"] | undefined;
  return {
    get objectArguments() {
      return (objectArguments ??= probeObjects(probe));
    },
    get systemPlace() {
      return (systemPlace ??= probeSystem(probe));
    },
    shortCallIds: /length\s*(?:!=|==)\s*9\b/.test(source),
  };
}

function probeObjects(probe: Probe): boolean {
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
  return tryRender(probe, messages)?.includes("probe_key") ?? true;
}

function probeSystem(probe: Probe): TemplateQuirks["systemPlace"] {
  const first = { role: "system", content: "probe_first" };
  const user = { role: "user", content: "x" };
  const alone = tryRender(probe, [first, user]);
  if (alone === undefined) return tryRender(probe, [user]) === undefined ? "anywhere" : "none";
  // It shows no system message at all, wherever it stands.
  if (!alone.includes("probe_first")) return "anywhere";
  const second = { role: "system", content: "probe_second" };
  const later = [
    [first, second, user],
    [first, user, { role: "assistant", content: "y" }, second, user],
  ];
  const shown = later.every((messages) => {
    const text = tryRender(probe, messages);
    return text?.includes("probe_first") === true && text.includes("probe_second");
  });
  return shown ? "anywhere" : "first";
}

function tryRender(probe: Probe, messages: readonly unknown[]): string | undefined {
  try {
    return probe(messages);
  } catch {
    return undefined;
  }
}

/** All system messages as one, at the place where the template takes one. */
export function placeSystem(messages: readonly Message[], quirks: TemplateQuirks): readonly Message[] {
  const isSystem = ({ role }: Message): boolean => role === "system";
  if (!messages.some(isSystem)) return messages;
  const fits = quirks.systemPlace === "anywhere" || messages.findLastIndex(isSystem) === 0;
  if (fits && quirks.systemPlace !== "none") return messages;
  const content = messages.filter(isSystem).map(messageText).join("\n\n");
  const rest = messages.filter((message) => !isSystem(message));
  if (quirks.systemPlace === "first") return [{ role: "system", content }, ...rest];
  const user = rest.findIndex(({ role }) => role === "user");
  if (user < 0) return [{ role: "user", content }, ...rest];
  return rest.with(user, prepend(content, rest[user] as UserMessage));
}

function prepend(text: string, message: UserMessage): UserMessage {
  return joinContents({ role: "user", content: text }, message);
}

function joinContents(one: UserMessage, other: UserMessage): UserMessage {
  if (typeof one.content === "string" && typeof other.content === "string")
    return { role: "user", content: [one.content, other.content].filter(Boolean).join("\n\n") };
  const [a, b] = [one, other].map(({ content }) =>
    typeof content === "string" ? [{ type: "text" as const, text: content }] : content,
  );
  return { role: "user", content: [...(a ?? []), { type: "text", text: "\n\n" }, ...(b ?? [])] };
}

/** For templates that refuse two user messages in a row. The same list where there are none. */
export function joinUserTurns(messages: readonly Message[]): readonly Message[] {
  const joined: Message[] = [];
  for (const message of messages) {
    const last = joined.at(-1);
    if (message.role === "user" && last?.role === "user")
      joined[joined.length - 1] = joinContents(last, message);
    else joined.push(message);
  }
  return joined.length === messages.length ? messages : joined;
}

/** Ids of calls and of their results alike. */
export function shortenCallIds(messages: readonly Message[]): readonly Message[] {
  return messages.map((message) => {
    if (message.role === "tool")
      return { ...message, tool_call_id: toShortId(message.tool_call_id) } satisfies ToolMessage;
    if (message.role !== "assistant" || message.tool_calls === undefined) return message;
    return {
      ...message,
      tool_calls: message.tool_calls.map((call) => ({ ...call, id: toShortId(call.id) })),
    };
  });
}

/** The same for the same id in every request, so that the prompt stays as it was. */
function toShortId(id: string): string {
  if (/^[a-zA-Z0-9]{9}$/.test(id)) return id;
  return createHash("sha256").update(id).digest("hex").slice(0, 9);
}
