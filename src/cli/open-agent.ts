import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Approver, PermissionMode } from "../core/approval.ts";
import type { SessionStore } from "../core/session.ts";
import { STATE_FOLDER, type Workspace } from "../core/workspace.ts";
import { createJsonlSessionStore } from "../sessions/index.ts";
import { openWorkspace } from "../workspace/index.ts";
import { Agent } from "./agent.ts";
import { chooseModel } from "./model-choice.ts";
import { packageVersion } from "./package-root.ts";
import type { Settings } from "./settings.ts";
import { openSafeguards } from "./safeguards.ts";
import { loadCustomTools } from "./custom-tools.ts";
import { createWorkspaceSandbox, type WorkspaceSandbox } from "./workspace-sandbox.ts";

/** Everything of an agent but its model. */
export interface Ground {
  workspace: Workspace;
  sandbox: WorkspaceSandbox;
  sessions: SessionStore;
}

export async function openGround(
  settings: Settings,
  { mode = () => settings.mode }: { mode?: () => PermissionMode } = {},
): Promise<Ground> {
  const { home, userHome } = settings;
  const workspace = await openWorkspace(settings.workspace, { home: userHome, stateDir: home });
  return {
    workspace,
    sandbox: createWorkspaceSandbox(settings, workspace.root, mode),
    sessions: createSessionStore(workspace),
  };
}

export function createSessionStore(workspace: Workspace): SessionStore {
  return createJsonlSessionStore({
    folder: join(workspace.root, STATE_FOLDER, "sessions"),
    makeFolder: () => workspace.stateFolder("sessions"),
    workspace: workspace.root,
    now: () => Date.now(),
    newId: () => randomBytes(3).toString("hex"),
    version: packageVersion(),
  });
}

/**
 * The workspace first, since no server should be started for one that cannot be used. The model is asked what it is while
 * the rest is made: nothing here waits for the answer.
 */
export async function openAgent(
  settings: Settings,
  { approver, signal }: { approver: Approver; signal?: AbortSignal },
): Promise<Agent> {
  const options = signal === undefined ? {} : { signal };
  let agent: Agent | undefined;
  const ground = await openGround(settings, { mode: () => agent?.mode ?? settings.mode });
  const { root } = ground.workspace;
  try {
    // Nothing is started for rules that cannot be relied on.
    const [safeguards, customTools] = await Promise.all([
      openSafeguards(settings, root),
      loadCustomTools({ workspace: root, sandbox: ground.sandbox.sandbox, settings }),
    ]);
    const chosen = await chooseModel(settings, options);
    chosen.model.describe(options).catch(() => {});
    agent = new Agent({ settings, ...ground, chosen, approver, safeguards, customTools });
    return agent;
  } catch (error) {
    await ground.workspace[Symbol.asyncDispose]();
    throw error;
  }
}
