import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Approver, PermissionMode } from "../core/approval.ts";
import type { PlanReviewer } from "../core/plan.ts";
import type { SessionStore } from "../core/session.ts";
import { STATE_FOLDER, type Workspace } from "../core/workspace.ts";
import { createJsonlSessionStore } from "../sessions/index.ts";
import { createCheckpointStore, openWorkspace, type FileCheckpoints } from "../workspace/index.ts";
import { Agent } from "./agent.ts";
import { loadCustomTools, type CustomTools } from "./custom-tools.ts";
import { mayBeThere } from "./may-be-there.ts";
import { chooseModel, type ChooseOptions } from "./model-choice.ts";
import { packageVersion } from "./package-root.ts";
import type { Profiles } from "./profiles.ts";
import type { Settings } from "./settings.ts";
import { openSafeguards, type Safeguards } from "./safeguards.ts";
import { createWorkspaceSandbox, type WorkspaceSandbox } from "./workspace-sandbox.ts";

/** Everything of an agent but its model. */
export interface Ground extends AsyncDisposable {
  workspace: Workspace;
  sandbox: WorkspaceSandbox;
  sessions: SessionStore;
  checkpoints: FileCheckpoints;
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
    const checkpoints = createCheckpointStore({ root });
    const customTools = await loadCustomTools({ workspace: root, sandbox: sandbox.sandbox, settings });
    const dispose = async (): Promise<void> => {
      // Their processes run in the sandbox.
      await Promise.allSettled([customTools[Symbol.asyncDispose]()]);
      await Promise.allSettled(
        [sandbox, checkpoints, workspace].map(async (part) => part[Symbol.asyncDispose]()),
      );
    };
    const sessions = createSessionStore(workspace);
    return {
      workspace,
      sandbox,
      sessions,
      checkpoints,
      safeguards,
      customTools,
      [Symbol.asyncDispose]: dispose,
    };
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

export interface OpenOptions {
  approver: Approver;
  reviewer: PlanReviewer;
  /** What is known of models; default: what is kept, when there is anything. */
  profiles?: Profiles;
  signal?: AbortSignal;
}

/** What is wrong with the server is said by the first request. */
function describeAhead(
  agent: Agent,
  { profiles, signal }: { profiles: Profiles | undefined; signal: AbortSignal | undefined },
): void {
  const describing = agent.model.describe(signal === undefined ? {} : { signal });
  describing.then(
    () => {
      for (const message of profiles?.takeWarnings() ?? []) agent.warn("settings_ignored", message);
    },
    () => {},
  );
}

/** Most starts find nothing, and load nothing for it. */
async function openKnownProfiles({ home }: Settings): Promise<Profiles | undefined> {
  if (![join(home, "profiles"), join(home, "config.yaml")].some(mayBeThere)) return undefined;
  const { openProfiles } = await import("./profiles.ts");
  return openProfiles({ home });
}

async function toRecording(
  ground: Ground,
  onProblem: (message: string) => void,
): Promise<Pick<ChooseOptions, "record">> {
  const { openRecording } = await import("./recording-file.ts");
  const folder = await ground.workspace.stateFolder("recordings");
  return { record: openRecording(folder, { redactor: ground.safeguards.redactor, onProblem }) };
}

/**
 * The workspace first, since no server should be started for one that cannot be used. The model is asked what it is while
 * the rest is made: nothing here waits for the answer.
 */
export async function openAgent(
  settings: Settings,
  { approver, reviewer, profiles, signal }: OpenOptions,
): Promise<Agent> {
  const options = signal === undefined ? {} : { signal };
  let agent: Agent | undefined;
  const ground = await openGround(settings, { mode: () => agent?.mode ?? settings.mode });
  try {
    const known = profiles ?? (await openKnownProfiles(settings));
    const recording = settings.record
      ? await toRecording(ground, (message) => agent?.warn("recording_ended", message))
      : {};
    const chosen = await chooseModel(settings, { ...options, ...recording, refine: known?.apply });
    agent = new Agent({ settings, ground, chosen, approver, reviewer });
    describeAhead(agent, { profiles: known, signal });
    return agent;
  } catch (error) {
    await ground[Symbol.asyncDispose]();
    throw error;
  }
}
