/** What the probe asks, and how it judges by what comes back. Wording and order of a reply decide nothing. */
import type {
  ModelInfo,
  ModelReply,
  ModelRequest,
  ProbeFindings,
  ProposedCall,
  ToolSchema,
} from "../core/model.ts";
import { toLine } from "./failure.ts";
import { AWKWARD_CHANGE, AWKWARD_LINES, TWO_COLOURS } from "./probe-samples.ts";
import type { Heard } from "./probe-ask.ts";

export interface StepResult {
  found: Partial<ProbeFindings>;
  /** In words, for the user: what was found, or why nothing was. */
  detail: string;
  /** The server takes no tools: nothing more about calls can be learned. */
  refusesTools?: boolean;
  /** Nothing answers any more. */
  gone?: boolean;
}

export interface StepScope {
  info: ModelInfo;
  /** What the steps before have found. */
  findings: Partial<ProbeFindings>;
  ask(request: ModelRequest): Promise<Heard>;
}

/** A reply may be whole and say nothing, which proves nothing. */
type Answer = { words: string } | { calls: readonly ProposedCall[] } | { nothing: Heard };

const TOOLS: readonly ToolSchema[] = [
  toSchema("read", "Read a file.", ["path"]),
  toSchema("edit", "Replace text in a file.", ["path", "old", "new"]),
];

/** Short, but room for a call with its frame; a model that cannot stop thinking needs more before it comes to the point. */
const REPLY_TOKENS = 200;
const THINKER_TOKENS = 600;

/** Of a server's words. */
const SHOWN_CHARS = 160;

function toSchema(name: string, description: string, fields: readonly string[]): ToolSchema {
  const properties = Object.fromEntries(fields.map((field) => [field, { type: "string" }]));
  const parameters = { type: "object", properties, required: [...fields] };
  return { type: "function", function: { name, description, parameters } };
}

/** A request in the way in which this model answers soonest. */
export function toProbeRequest(
  text: string,
  { findings }: Pick<StepScope, "findings">,
  fields: Partial<ModelRequest> = {},
): ModelRequest {
  const { thinking, thinkingSwitch } = findings;
  const quiet = thinking === "switchable" && thinkingSwitch === "text" ? `${text} ${NO_THINK}` : text;
  return {
    messages: [{ role: "user", content: quiet }],
    tools: [],
    temperature: 0,
    maxTokens: thinking === "always" ? THINKER_TOKENS : REPLY_TOKENS,
    ...(thinking === "switchable" && thinkingSwitch === "request" ? { thinkingTokens: 0 } : {}),
    ...fields,
  };
}

/** The soft switch of Qwen 3 and models that follow it. */
const NO_THINK = "/no_think";
const SUM = "What is 17 + 26? Answer with the number only.";

export async function probeThinking(scope: StepScope): Promise<StepResult> {
  const plain = await scope.ask(toProbeRequest(SUM, scope));
  if (!plain.thought) {
    if (plain.reply?.finish === "stop" && plain.reply.text !== "")
      return { found: { thinking: "none" }, detail: "no" };
    return toUnknown(plain);
  }
  const asked = await scope.ask(toProbeRequest(SUM, scope, { thinkingTokens: 0 }));
  if (isQuiet(asked)) return switchable("request", "yes, and stops when the request says so");
  const told = await scope.ask(toProbeRequest(`${SUM} ${NO_THINK}`, scope));
  if (isQuiet(told)) return switchable("text", `yes, and stops when told \`${NO_THINK}\``);
  if (asked.thought && told.thought) return { found: { thinking: "always" }, detail: "always" };
  return toUnknown(told.reply === undefined ? told : asked);
}

function switchable(thinkingSwitch: "request" | "text", detail: string): StepResult {
  return { found: { thinking: "switchable", thinkingSwitch }, detail };
}

function isQuiet({ reply, thought }: Heard): boolean {
  return !thought && reply !== undefined && reply.text !== "";
}

export async function probeCalls(scope: StepScope): Promise<StepResult> {
  const lead = "Read the file notes/todo.txt";
  const first = await askForCalls(`${lead} with the tool \`read\`.`, scope);
  if ("nothing" in first) return toCallsUnknown(first.nothing);
  // Some models answer in words first; once is no habit.
  const second =
    "calls" in first
      ? first
      : await askForCalls(`${lead}. Answer with a call of the tool \`read\` and nothing else.`, scope);
  if ("nothing" in second) return toCallsUnknown(second.nothing);
  if ("words" in second) return { found: { nativeCalls: false }, detail: "none: it answers in words" };
  const form = toTextForm(second.calls);
  if (form === undefined) return { found: { nativeCalls: true }, detail: "native" };
  return { found: { nativeCalls: false, textForm: form }, detail: `as ${form}` };
}

function toCallsUnknown(heard: Heard): StepResult {
  if (heard.refused !== true || !/tool/i.test(heard.problem ?? "")) return toUnknown(heard);
  return {
    found: { nativeCalls: false },
    detail: `none: the server takes no tools (${toLine(heard.problem ?? "", SHOWN_CHARS)})`,
    refusesTools: true,
  };
}

/** What is noted about a native call whose arguments or name needed repair; see `toProposedCall`. */
const NATIVE_REPAIRS = /^(?:object arguments|double-encoded arguments|repaired JSON|name `)/;

/** The form of calls that did not come as such. */
function toTextForm(calls: readonly ProposedCall[]): string | undefined {
  const { rescued } = calls[0] ?? {};
  if (rescued === undefined || NATIVE_REPAIRS.test(rescued)) return undefined;
  const [form, ...details] = rescued.split(", ");
  return details.includes("in thinking") ? `${form}, in thinking` : form;
}

export async function probeParallel(scope: StepScope): Promise<StepResult> {
  const answer = await askForCalls(
    "Read the files notes/a.txt and notes/b.txt. Neither depends on the other: make both calls of `read` now, in one reply.",
    scope,
  );
  if ("nothing" in answer) return toUnknown(answer.nothing);
  if ("words" in answer) return { found: {}, detail: "not known: it made no call" };
  const paths = new Set(answer.calls.map(({ arguments: args }) => args?.["path"]).filter(Boolean));
  if (paths.size > 1) return { found: { parallelCalls: true }, detail: "yes" };
  return { found: { parallelCalls: false }, detail: "no: one call a reply" };
}

export async function probeEdits(scope: StepScope): Promise<StepResult> {
  const { from, to } = AWKWARD_CHANGE;
  const answer = await askForCalls(
    `The file app.js holds these two lines:\n\n${AWKWARD_LINES}\n\nChange \`${from}\` to \`${to}\` with the tool \`edit\`. ` +
      "`old` is both lines exactly as they stand there, `new` is both lines after the change.",
    scope,
  );
  if ("nothing" in answer) return toUnknown(answer.nothing);
  const edit = "calls" in answer ? answer.calls.find(({ name }) => name === "edit") : undefined;
  const old = edit?.arguments?.["old"];
  const copied = typeof old === "string" ? old.trim() : "";
  if (copied === "") return { found: {}, detail: "not known: it made no edit" };
  if (!AWKWARD_LINES.includes(copied))
    return { found: { exactEdits: false }, detail: "no: it changes what it copies" };
  // A word copied right says little about a line.
  if (copied.length < AWKWARD_LINES.length / 3)
    return { found: {}, detail: "not known: it copied a few letters only" };
  return { found: { exactEdits: true }, detail: "yes" };
}

const HELLO = "Say hello in one word. Use no tool.";

export async function probeForcing(scope: StepScope): Promise<StepResult> {
  let forced = await askForCalls(HELLO, scope, { toolChoice: "required" });
  // A way that came to nothing is not taken again: the second time another one is.
  if ("words" in forced) forced = await askForCalls(HELLO, scope, { toolChoice: "required" });
  if ("words" in forced)
    return { found: { forcedCalls: "none" }, detail: "no: the server lets it answer in words" };
  if ("nothing" in forced) {
    if (forced.nothing.refused !== true) return toUnknown(forced.nothing);
    return {
      found: { forcedCalls: "none" },
      detail: `no: ${toLine(forced.nothing.problem ?? "refused", SHOWN_CHARS)}`,
    };
  }
  // A model that calls whatever it is told was not forced to.
  const free = await askForCalls(HELLO, scope);
  if ("calls" in free) return { found: {}, detail: "not known: it calls a tool even when told to use none" };
  const form = toTextForm(forced.calls);
  if (form === undefined) return { found: { forcedCalls: "tool_choice" }, detail: "by tool choice" };
  if (/json/i.test(form)) return { found: { forcedCalls: "json_schema" }, detail: "by a JSON schema" };
  return { found: {}, detail: `not known: a call came as ${form}` };
}

export async function probeVision(scope: StepScope): Promise<StepResult> {
  const { vision } = scope.info;
  if (vision !== undefined)
    return { found: { vision }, detail: `${vision ? "yes" : "no"}, by the server's word` };
  const question =
    "This picture has two halves. Name the colour of the left half, then that of the right half.";
  const request = toProbeRequest("", scope);
  const heard = await scope.ask({
    ...request,
    messages: [
      {
        role: "user",
        content: [
          { type: "image_url", image_url: { url: TWO_COLOURS.url } },
          { type: "text", text: question },
        ],
      },
    ],
  });
  if (heard.refused === true) return { found: { vision: false }, detail: "no: the server takes no pictures" };
  const { reply } = heard;
  if (reply === undefined || reply.text === "") return toUnknown(heard);
  if (TWO_COLOURS.seen.test(reply.text)) return { found: { vision: true }, detail: "yes" };
  if (BLIND.test(reply.text)) return { found: { vision: false }, detail: "no: it says so itself" };
  return { found: {}, detail: "not known: it names other colours" };
}

const BLIND =
  /\b(?:can(?:no|')t|can not|cannot|unable|not able|no (?:image|picture)|don't see|do not see)\b/i;

async function askForCalls(
  text: string,
  scope: StepScope,
  fields: Partial<ModelRequest> = {},
): Promise<Answer> {
  const heard = await scope.ask(toProbeRequest(text, scope, { tools: TOOLS, ...fields }));
  const { reply } = heard;
  if (reply === undefined || reply.finish === "length") return { nothing: heard };
  if (reply.calls.length > 0) return { calls: reply.calls };
  return reply.text === "" ? { nothing: heard } : { words: reply.text };
}

/** Nothing was learned, and nothing is made of that. */
export function toUnknown({ problem, reply, gone, thought }: Heard): StepResult {
  const why = problem === undefined ? toEmptyWords(reply, thought) : toLine(problem, SHOWN_CHARS);
  return { found: {}, detail: `not known: ${why}`, ...(gone === true ? { gone } : {}) };
}

function toEmptyWords(reply: ModelReply | undefined, thought: boolean): string {
  if (reply?.finish === "length")
    return thought ? "it was still thinking when its tokens ran out" : "its tokens ran out";
  return thought ? "it thought and said nothing" : "an empty reply";
}
