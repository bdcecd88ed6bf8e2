import { UNATTENDED_ADVICE } from "../../core/approval.ts";
import { runCalls } from "../../core/calls.ts";
import { toToolSchemas } from "../../core/context.ts";
import { AgentError } from "../../core/errors.ts";
import type { Tool, ToolResult } from "../../core/tool.ts";
import { createTodoList, createTools } from "../../tools/index.ts";
import { createTextStream, toTerminalJson, toTerminalLine } from "../../tui/terminal-text.ts";
import type { TaskFlags } from "../main.ts";
import { onInterrupt } from "../interrupt.ts";
import { openGround, type Ground } from "../open-agent.ts";
import type { SessionSafeguards } from "../safeguards.ts";
import { readSettings, type Settings } from "../settings.ts";
import { createAttendedApprover } from "../terminal-approver.ts";

const RESULT_BYTES = 1_000_000;

export async function listTools(flags: TaskFlags): Promise<number> {
  await using ground = await openFlagGround(flags);
  const tools = createGroundTools(ground);
  if (flags.json) {
    process.stdout.write(`${toTerminalJson(toToolSchemas(tools), 2)}\n`);
    return 0;
  }
  for (const { name, description, parameters, access } of tools) {
    process.stdout.write(
      `${toTerminalLine(`${name}(${describeParameters(parameters)})`).padEnd(52)} ${access.padEnd(8)} ${toTerminalLine(description)}\n`,
    );
  }
  return 0;
}

/** One call through the same check, approval and confinement as in the loop. Prints the result as JSON. */
export async function runTool(name: string, flags: TaskFlags & { args: string }): Promise<number> {
  const args = parseArguments(flags.args);
  await using ground = await openFlagGround(flags);
  const tools = createGroundTools(ground);
  if (!tools.some((tool) => tool.name === name)) {
    throw new AgentError("usage", `There is no tool \`${name}\`. \`lmagent tool list\` shows them all.`, {
      data: { name },
    });
  }
  const interrupt = onInterrupt();
  try {
    const result = await callTool({ name, args }, { ground, tools, signal: interrupt.signal });
    process.stdout.write(`${toTerminalJson(result)}\n`);
    return result.ok ? 0 : 1;
  } finally {
    interrupt.dispose();
  }
}

interface CallGround {
  ground: FlagGround;
  tools: readonly Tool[];
  signal: AbortSignal;
}

/** What the audit log calls a call that belongs to no conversation. */
const NO_SESSION = "tool";

async function callTool(
  { name, args }: { name: string; args: Record<string, unknown> },
  { ground, tools, signal }: CallGround,
): Promise<ToolResult> {
  const call = { id: "call_1", name, arguments: args, raw: JSON.stringify(args) };
  const { redactor, forSession } = ground.safeguards;
  await using session: SessionSafeguards = forSession(NO_SESSION, printWarning);
  const events = runCalls([call], {
    tools,
    mode: () => ground.settings.mode,
    approver: createAttendedApprover(),
    policy: session.policy,
    audit: session.audit,
    redactor,
    sessionId: NO_SESSION,
    turn: 1,
    results: { maxBytes: RESULT_BYTES },
    signal,
    now: () => Date.now(),
  });
  const shown = createTextStream();
  for (;;) {
    const { done, value } = await events.next();
    if (done) {
      if (value[0]?.denied === "unattended") printWarning(UNATTENDED_ADVICE);
      return value[0]?.result ?? { ok: false, error: "the call gave no result" };
    }
    if (value.type === "tool_output") process.stderr.write(shown.push(value.text));
  }
}

function parseArguments(text: string): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new AgentError("usage", `\`--args ${text}\` is not JSON: ${String(error)}`, { cause: error });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new AgentError(
      "usage",
      `\`--args ${text}\` must be a JSON object, such as \`{"path":"notes.txt"}\`.`,
    );
  }
  return parsed as Record<string, unknown>;
}

function printWarning(message: string): void {
  process.stderr.write(`lmagent: ${toTerminalLine(message)}\n`);
}

interface FlagGround extends Ground {
  settings: Settings;
}

async function openFlagGround(flags: TaskFlags): Promise<FlagGround> {
  const settings = await readSettings(flags, process.env, process.cwd());
  const ground = await openGround(settings);
  const { safeguards, customTools } = ground;
  const pending = customTools.pending.map(({ warning }) => warning);
  for (const message of [...safeguards.warnings, ...customTools.problems, ...pending]) printWarning(message);
  return { ...ground, settings };
}

function createGroundTools({ workspace, sandbox, settings, customTools }: FlagGround): readonly Tool[] {
  const { allowUnsandboxed } = settings;
  const tools = createTools({
    workspace,
    sandbox: sandbox.sandbox,
    todos: createTodoList(),
    now: () => new Date(),
    allowUnsandboxed,
  });
  return [...tools, ...customTools.tools];
}

function describeParameters(parameters: Readonly<Record<string, unknown>>): string {
  const required = (parameters["required"] ?? []) as readonly string[];
  const names = Object.keys(parameters["properties"] ?? {});
  return names.map((name) => (required.includes(name) ? name : `${name}?`)).join(", ");
}
