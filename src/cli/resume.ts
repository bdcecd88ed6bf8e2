import { AgentError } from "../core/errors.ts";
import type { Agent } from "./agent.ts";

/** `--resume ID` and `--continue`. */
export async function resumeSession(
  agent: Agent,
  flags: { resume?: string; continue?: boolean },
): Promise<void> {
  if (flags.resume !== undefined) {
    await agent.resume(flags.resume);
    return;
  }
  if (!flags.continue) return;
  const [newest] = await agent.sessions.list();
  if (newest === undefined) {
    throw new AgentError(
      "session_not_found",
      `There is no session to continue in \`${agent.workspace.root}\`.`,
    );
  }
  await agent.resume(newest.id);
}
