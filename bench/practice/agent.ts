/** The agent of the command line, in auto mode with nobody to ask, around a model that all tasks share. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "../../src/cli/agent.ts";
import { chooseModel, type ChosenModel } from "../../src/cli/model-choice.ts";
import { openGround } from "../../src/cli/open-agent.ts";
import { readSettings, type Settings } from "../../src/cli/settings.ts";
import { denyUnattended } from "../../src/core/approval.ts";
import type { Model } from "../../src/core/model.ts";
import { reviewUnattended } from "../../src/core/plan.ts";
import { findProfile } from "../../src/models/profile.ts";

/** A request that takes longer has gone wrong. */
const TURN_SECONDS = 60;
const TURN_REPLIES = 12;

export type ModelPlace = { server: string } | { file: string };

/** A folder for temporary files: settings, the state of engines and sandboxes, workspaces. */
export interface Scratch extends Disposable {
  root: string;
  /** A new folder that does not exist yet. */
  workspace(): string;
}

export function createScratch(): Scratch {
  const root = mkdtempSync(join(tmpdir(), "lmagent-practice-"));
  mkdirSync(join(root, "home"));
  let count = 0;
  return {
    root,
    workspace: () => join(root, "workspaces", String((count += 1))),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A server with `/v1`, or a GGUF file for our own runtime; the latter runs until it is disposed. */
export async function openModel(scratch: Scratch, place: ModelPlace): Promise<ChosenModel> {
  const named =
    "server" in place ? { LLM_URL: place.server } : { LLM_URL: "embedded", LLM_MODEL: place.file };
  const settings = await toSettings(scratch, scratch.root, named);
  const profile = findProfile("lmagent-practice");
  return chooseModel(settings, { refine: (info) => ({ ...info, profile }) });
}

/** Whether commands of tasks are kept from the rest of this machine. */
export async function isIsolated(scratch: Scratch): Promise<boolean> {
  const workspace = scratch.workspace();
  mkdirSync(workspace, { recursive: true });
  await using ground = await openGround(await toSettings(scratch, workspace));
  const { sandbox } = await ground.sandbox.choose();
  return sandbox.isolated;
}

/** `isolatedOnly`: commands fail where no sandbox works. */
export async function openAgent(
  scratch: Scratch,
  workspace: string,
  model: Model,
  { isolatedOnly = false } = {},
): Promise<Agent> {
  const settings = { ...(await toSettings(scratch, workspace)), allowUnsandboxed: !isolatedOnly };
  return new Agent({
    settings,
    ground: await openGround(settings),
    chosen: { model, [Symbol.asyncDispose]: async () => {} },
    approver: denyUnattended,
    reviewer: reviewUnattended,
  });
}

/** Commands run in the sandbox that works here, and as plain processes where none does: those of most tasks are harmless. */
function toSettings(
  { root }: Scratch,
  workspace: string,
  env: Record<string, string> = {},
): Promise<Settings> {
  const flags = {
    workspace,
    permission: "auto",
    maxTime: String(TURN_SECONDS),
    maxIterations: String(TURN_REPLIES),
    allowUnsandboxed: true,
  };
  const own = { HOME: join(root, "home"), LMAGENT_HOME: join(root, "home", ".lmagent") };
  return readSettings(flags, { ...own, ...env }, workspace);
}
