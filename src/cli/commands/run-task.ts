import { readdirSync } from "node:fs";
import { join } from "node:path";
import { denyUnattended } from "../../core/approval.ts";
import type { EndReason } from "../../core/events.ts";
import { reviewUnattended } from "../../core/plan.ts";
import { STATE_FOLDER } from "../../core/workspace.ts";
import type { View } from "../../tui/plain/plain-view.ts";
import type { Agent } from "../agent.ts";
import { toExitCode } from "../exit-code.ts";
import type { TaskFlags } from "../main.ts";
import { openAgent } from "../open-agent.ts";
import { resumeSession } from "../resume.ts";
import { onInterrupt } from "../interrupt.ts";
import type { Settings } from "../settings.ts";
import { createAttendedApprover, createAttendedReviewer, useColour } from "../terminal-approver.ts";

/** One task from start to end. The exit code tells how it ended. */
export async function runTask(task: string, settings: Settings, flags: TaskFlags): Promise<number> {
  const interrupt = onInterrupt();
  try {
    const [agent, view] = await Promise.all([
      openAgent(settings, {
        approver: flags.json ? denyUnattended : createAttendedApprover(),
        reviewer: flags.json ? reviewUnattended : createAttendedReviewer(),
        signal: interrupt.signal,
      }),
      createView(flags),
    ]);
    await using _ = agent;
    await resumeSession(agent, flags);
    // Whoever read the answer may have left: `lmagent … | head`.
    const signal = AbortSignal.any([interrupt.signal, view.closed]);
    const reason = await runPrompt(agent, task, { view, settings, signal });
    if (isCluttered(agent.workspace.root)) await agent.tidy().catch(() => {});
    return toExitCode(reason);
  } finally {
    interrupt.dispose();
  }
}

/** Files of checkpoints after which a look at what can go is worth its time. */
const CLUTTER = 200;

/** A user who never opens the screen has nobody else who tidies up. */
function isCluttered(root: string): boolean {
  try {
    return readdirSync(join(root, STATE_FOLDER, "checkpoints")).length > CLUTTER;
  } catch {
    return false;
  }
}

async function runPrompt(
  agent: Agent,
  task: string,
  { view, settings, signal }: { view: View; settings: Settings; signal: AbortSignal },
): Promise<EndReason> {
  let reason: EndReason = "error";
  for await (const event of agent.prompt(task, { signal, plan: settings.plan })) {
    if (event.type === "model_ready" && isUnchosen(settings)) printNotice(event.model.profile.notice);
    if (event.type === "run_finished") reason = event.reason;
    await view.onEvent(event);
  }
  await view.finish();
  return reason;
}

function isUnchosen({ baseUrl, model }: Settings): boolean {
  return baseUrl === undefined && model === undefined;
}

function printNotice(lines: readonly string[] = []): void {
  for (const line of lines) process.stderr.write(`${line}\n`);
}

async function createView({ json, verbose = false }: TaskFlags): Promise<View> {
  const { stdout, stderr } = process;
  if (json) {
    const { createJsonView } = await import("../../tui/plain/json-view.ts");
    return createJsonView({ stdout });
  }
  const { createPlainView } = await import("../../tui/plain/plain-view.ts");
  return createPlainView({ stdout, stderr, colour: useColour(stderr), verbose });
}
