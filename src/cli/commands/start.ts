import { readFileSync } from "node:fs";
import { AgentError } from "../../core/errors.ts";
import type { TaskFlags } from "../main.ts";
import { readSettings, type Settings } from "../settings.ts";

/** `lmagent [task]`: a task runs and ends; without one, the screen opens on a terminal, and a pipe is read as the task. */
export async function startCommand(task: string | undefined, flags: TaskFlags): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  if (flags.resume !== undefined && flags.continue) {
    throw new AgentError("usage", "Give `--resume` or `--continue`, not both.");
  }
  if (flags.listSessions) return listSessions(settings, flags);
  const text = task ?? (process.stdin.isTTY ? undefined : readPipe());
  if (text === undefined) return openScreen(settings, flags);
  if (text.trim() === "")
    throw new AgentError("usage", 'There is no task. Say it in quotes: `lmagent "what to do"`.');
  const { runTask } = await import("./run-task.ts");
  return runTask(text, settings, flags);
}

async function listSessions(settings: Settings, flags: TaskFlags): Promise<number> {
  const { printSessions } = await import("./sessions.ts");
  return printSessions(settings, { json: flags.json ?? false });
}

async function openScreen(settings: Settings, flags: TaskFlags): Promise<number> {
  if (flags.json) throw new AgentError("usage", '`--json` needs a task: `lmagent --json "what to do"`.');
  if (!process.stdout.isTTY)
    throw new AgentError("usage", 'The screen needs a terminal. Give a task: `lmagent "what to do"`.');
  const { runInteractive } = await import("./interactive.ts");
  return runInteractive(settings, flags);
}

function readPipe(): string {
  try {
    return readFileSync(0, "utf8");
  } catch {
    // No standard input at all.
    return "";
  }
}
