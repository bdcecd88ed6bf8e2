import type { Sandbox } from "../core/sandbox.ts";
import type { ChosenSandbox } from "../sandbox/index.ts";
import type { Settings } from "./settings.ts";

/** The sandbox of a workspace, looked for when the first command comes. */
export interface WorkspaceSandbox {
  sandbox: Sandbox;
  /** Chooses now. Throws `sandbox_unavailable`. */
  choose(): Promise<ChosenSandbox>;
  /** What is in force, for a status line; absent before the choice. */
  label(): string | undefined;
}

export async function createWorkspaceSandbox(
  settings: Settings,
  root: string,
  mode: () => string,
): Promise<WorkspaceSandbox> {
  const { chooseSandbox, createLazySandbox } = await import("../sandbox/index.ts");
  let chosen: ChosenSandbox | undefined;
  const choose = async (): Promise<ChosenSandbox> => {
    // Where a person is asked about each command they may also run it without isolation; auto mode needs the flag.
    const allowUnsandboxed = settings.allowUnsandboxed || mode() !== "auto";
    chosen ??= await chooseSandbox({
      workspaceRoot: root,
      allowUnsandboxed,
      ...(settings.sandbox === undefined ? {} : { prefer: settings.sandbox }),
    });
    return chosen;
  };
  return {
    sandbox: createLazySandbox(async () => (await choose()).sandbox),
    choose,
    label: () => (chosen === undefined ? undefined : toLabel(chosen)),
  };
}

export function toLabel({ sandbox }: ChosenSandbox): string {
  return sandbox.isolated ? sandbox.backend : `${sandbox.backend} (not isolated)`;
}
