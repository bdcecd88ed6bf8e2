import type { SessionState, SessionSummary } from "../../core/session.ts";
import type { Workspace } from "../../core/workspace.ts";
import { formatSession } from "../../tui/session-view.ts";
import { toStyle } from "../../tui/style.ts";
import { toTerminalJson, toTerminalLine, toTerminalText } from "../../tui/terminal-text.ts";
import { createCheckpointStore, openWorkspace } from "../../workspace/index.ts";
import { toChangeLines } from "../change-lines.ts";
import type { TaskFlags } from "../main.ts";
import { createSessionStore } from "../open-agent.ts";
import { toCheckpoints } from "../tidy-checkpoints.ts";
import { readSettings, type Settings } from "../settings.ts";
import { useColour } from "../terminal-approver.ts";

export async function listSessions(flags: TaskFlags): Promise<number> {
  return printSessions(await readSettings(flags, process.env, process.cwd()), { json: flags.json ?? false });
}

export async function printSessions(settings: Settings, { json }: { json: boolean }): Promise<number> {
  await using workspace = await openSettingsWorkspace(settings);
  const sessions = await createSessionStore(workspace).list();
  if (json) process.stdout.write(`${toTerminalJson(sessions, 2)}\n`);
  else if (sessions.length === 0) process.stdout.write(`No sessions in ${toTerminalLine(workspace.root)}.\n`);
  else process.stdout.write(`${sessions.map(toSessionLine).join("\n")}\n`);
  return 0;
}

export function toSessionLine({ id, updatedAt, status, messages, task }: SessionSummary): string {
  const when = updatedAt.slice(0, 16).replace("T", " ");
  const first = toTerminalText(task).split("\n")[0] ?? "";
  return `${toTerminalLine(id)}  ${toTerminalLine(when)}  ${status.padEnd(11)} ${String(messages).padStart(4)} messages  ${first.slice(0, 40)}`;
}

export async function showSession(id: string, flags: TaskFlags): Promise<number> {
  process.stdout.write(`${formatSession(await readState(id, flags)).join("\n")}\n`);
  return 0;
}

export async function exportSession(id: string, flags: TaskFlags): Promise<number> {
  process.stdout.write(`${toTerminalJson(await readState(id, flags), 2)}\n`);
  return 0;
}

/** What the requests of a session have changed in files, as far as nothing took it back. */
export async function diffSession(id: string, flags: TaskFlags): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  await using workspace = await openSettingsWorkspace(settings);
  const { requests } = await createSessionStore(workspace).read(id);
  await using checkpoints = createCheckpointStore({ root: workspace.root });
  const named = toCheckpoints(requests);
  const kept = await checkpoints.kept(named);
  const changes = await checkpoints.diff(kept);
  if (kept.length < named.length)
    process.stderr.write(
      `What ${named.length - kept.length} of its requests have changed is not kept any more.\n`,
    );
  const style = toStyle({ colour: useColour(process.stdout) });
  if (flags.json) process.stdout.write(`${toTerminalJson(changes, 2)}\n`);
  else process.stdout.write(`${toChangeLines(changes, style).join("\n")}\n`);
  return 0;
}

export async function removeSession(id: string, flags: TaskFlags): Promise<number> {
  const settings = await readSettings(flags, process.env, process.cwd());
  await using workspace = await openSettingsWorkspace(settings);
  const removed = await createSessionStore(workspace).remove(id);
  process.stdout.write(`Removed session ${removed}.\n`);
  return 0;
}

async function readState(id: string, flags: TaskFlags): Promise<SessionState> {
  const settings = await readSettings(flags, process.env, process.cwd());
  await using workspace = await openSettingsWorkspace(settings);
  return createSessionStore(workspace).read(id);
}

function openSettingsWorkspace({ workspace, home, userHome }: Settings): Promise<Workspace> {
  return openWorkspace(workspace, { home: userHome, stateDir: home });
}
