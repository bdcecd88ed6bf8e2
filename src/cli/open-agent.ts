import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Approver, PermissionMode } from "../core/approval.ts";
import type { SessionStore } from "../core/session.ts";
import { STATE_FOLDER, type Workspace } from "../core/workspace.ts";
import { createJsonlSessionStore } from "../sessions/index.ts";
import { openWorkspace } from "../workspace/index.ts";
import { Agent } from "./agent.ts";
import { loadCustomTools, type CustomTools } from "./custom-tools.ts";
import { chooseModel } from "./model-choice.ts";
import { packageVersion } from "./package-root.ts";
import type { Settings } from "./settings.ts";
import { openSafeguards, type Safeguards } from "./safeguards.ts";
import { createWorkspaceSandbox, type WorkspaceSandbox } from "./workspace-sandbox.ts";

/** Everything of an agent but its model. */
export interface Ground extends AsyncDisposable {
  workspace: Workspace;
  sandbox: WorkspaceSandbox;
  sessions: SessionStore;
  safeguards: Safeguards;
  /** What the workspace brings along and the user has trusted. */
  customTools: CustomTools;
}

/** Throws `AgentError` for a workspace or rules that cannot be used; nothing is started then. */
export async function openGround(
  settings: Settings,
  { mode = () => settings.mode }: { mode?: () => PermissionMode } = {},
): Promise<Ground> {
  const { home, userHome } = settings;
  const workspace = await openWorkspace(settings.workspace, { home: userHome, stateDir: home });
  const { root } = workspace;
  try {
    const safeguards = await openSafeguards(settings, root);
    const sandbox = createWorkspaceSandbox(settings, { root, mode, redactor: safeguards.redactor });
    const customTools = await loadCustomTools({ workspace: root, sandbox: sandbox.sandbox, settings });
    const dispose = async (): Promise<void> => {
      // Their processes run in the sandbox.
      await Promise.allSettled([customTools[Symbol.asyncDispose]()]);
      await Promise.allSettled([sandbox[Symbol.asyncDispose](), workspace[Symbol.asyncDispose]()]);
    };
    const sessions = createSessionStore(workspace);
    return { workspace, sandbox, sessions, safeguards, customTools, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await workspace[Symbol.asyncDispose]();
    throw error;
  }
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
  try {
    const chosen = await chooseModel(settings, options);
    chosen.model.describe(options).catch(() => {});
    agent = new Agent({ settings, ground, chosen, approver });
    return agent;
  } catch (error) {
    await ground[Symbol.asyncDispose]();
    throw error;
  }
}
