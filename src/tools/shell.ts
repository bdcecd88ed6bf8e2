import { constants } from "node:os";
import * as z from "zod/mini";
import { defineTool } from "../core/define-tool.ts";
import { unreachable } from "../core/events.ts";
import type { OutputLog } from "../core/output-log.ts";
import { SANDBOX_LIMITS, toSandboxLabel, type Sandbox, type SandboxResult } from "../core/sandbox.ts";
import type { Tool, ToolContext, ToolResult } from "../core/tool.ts";
import { previewCommand, type CommandToolOptions } from "./command-preview.ts";
import { isHarmlessCommand } from "../core/harmless-command.ts";
import { createKeptOutput } from "./kept-output.ts";
import { createLiveOutput } from "./live-output.ts";

/** Bytes of a result beside its output, the reason of a failure among them. */
const FRAME_BYTES = 420;
const MAX_REASON_CHARACTERS = 200;

export interface ShellToolOptions extends CommandToolOptions {
  /** Where output goes that is too long for the model. */
  outputLog: OutputLog;
}

interface ShellCall {
  command: string;
  timeout?: number | undefined;
  max_memory_mb?: number | undefined;
}

export function createShellTool(options: ShellToolOptions): Tool {
  return defineTool({
    name: "shell",
    description: "Run a shell command. timeout: seconds",
    parameters: z.object({
      command: z.string(),
      timeout: z.optional(z.number()),
      max_memory_mb: z.optional(z.int()),
    }),
    access: "execute",
    preview: async ({ command }) => ({
      ...(await previewCommand(command, options)),
      harmless: isHarmlessCommand(command),
    }),
    execute: (call, context) => runShell(call, options, context),
  });
}

async function runShell(
  wanted: ShellCall,
  options: ShellToolOptions,
  context: ToolContext,
): Promise<ToolResult> {
  const call = withoutZeros(wanted);
  const { sandbox, outputLog } = options;
  const kept = createKeptOutput({
    maxBytes: Math.max(context.resultBytes / 2, context.resultBytes - FRAME_BYTES),
    openFile: () => outputLog.open(context.callId),
  });
  const live = createLiveOutput(context);
  try {
    const result = await sandbox.run(call.command, {
      ...(call.timeout === undefined ? {} : { timeoutMs: call.timeout * 1_000 }),
      ...(call.max_memory_mb === undefined ? {} : { memoryMb: call.max_memory_mb }),
      signal: context.signal,
      onOutput(chunk, stream) {
        kept.append(chunk);
        live.append(chunk, stream);
      },
    });
    for (const message of result.warnings ?? []) context.emit({ type: "warning", message });
    return toToolResult(result, { call, sandbox, output: await kept.finish() });
  } finally {
    live.end();
  }
}

/** Zero and less mean that nothing was asked for. */
function withoutZeros({ command, timeout, max_memory_mb }: ShellCall): ShellCall {
  const positive = (number = 0): number | undefined => (number > 0 ? number : undefined);
  return { command, timeout: positive(timeout), max_memory_mb: positive(max_memory_mb) };
}

interface Shown {
  call: ShellCall;
  sandbox: Sandbox;
  output: string;
}

function toToolResult(result: SandboxResult, { call, sandbox, output }: Shown): ToolResult {
  const facts = {
    exit_code: result.exitCode,
    sandbox: toSandboxLabel(sandbox),
    ...(result.warnings === undefined || result.warnings.length === 0 ? {} : { warnings: result.warnings }),
  };
  if (result.exitCode === 0 && result.stopped === undefined) return { ok: true, output, ...facts };
  const lines = output.trim().split("\n");
  const reason = toReason(lines.at(-1)!);
  const error = describeStop(result, call) ?? describeExit(result.exitCode, reason, lines.length);
  return { ok: false, error, ...(error.endsWith(lines.join("\n")) ? {} : { output }), ...facts };
}

/** The shell's own words about a missing program, as most people know them. */
function toReason(line: string): string {
  const missing = /^(?:\S*sh): (?:line )?(?:\d+: )?(?:exec: )?(.+?): (?:command )?not found$/.exec(line)?.[1];
  return (missing === undefined ? line : `${missing}: command not found`).slice(0, MAX_REASON_CHARACTERS);
}

function describeExit(exitCode: number, reason: string, lines: number): string {
  if (exitCode === 127 && lines === 1 && reason.endsWith(": command not found")) return reason;
  const code = `exit code ${exitCode}${describeSignal(exitCode)}`;
  return reason === "" ? code : `${code}: ${reason}`;
}

function describeSignal(exitCode: number): string {
  const name = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
  return name === undefined ? "" : ` (${name})`;
}

function describeStop({ stopped }: SandboxResult, { timeout, max_memory_mb }: ShellCall): string | undefined {
  const { timeoutMs, memoryMb } = SANDBOX_LIMITS;
  switch (stopped) {
    case undefined:
      return undefined;
    case "timeout":
      return `stopped: it took longer than ${toUsed(timeout, timeoutMs, 1_000)} s; \`timeout\` can be at most ${timeoutMs.max / 1_000}`;
    case "memory":
      return `stopped: it used more than ${toUsed(max_memory_mb, memoryMb, 1)} MB of memory; \`max_memory_mb\` can be at most ${memoryMb.max}`;
    case "processes":
      return "stopped: it started too many processes";
    case "aborted":
      return "stopped: the run was interrupted";
    default:
      return unreachable(stopped);
  }
}

/** The value that was in force, in the unit of the parameter. */
function toUsed(
  wanted: number | undefined,
  limits: { default: number; min: number; max: number },
  unit: number,
): number {
  const value = wanted === undefined ? limits.default : wanted * unit;
  return Math.min(limits.max, Math.max(limits.min, value)) / unit;
}
