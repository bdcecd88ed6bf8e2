import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import type { PermissionMode } from "../core/approval.ts";
import { NO_REDACTION, type Redactor } from "../core/redact.ts";
import { redactSandbox } from "../core/redact-sandbox.ts";
import { toSandboxLabel, type Sandbox } from "../core/sandbox.ts";
import type { ChooseOptions, ChosenSandbox } from "../sandbox/choose.ts";
// Not through the door, which would load the backends at every start.
import { createLazySandbox } from "../sandbox/lazy.ts";
import { packageVersion } from "./package-root.ts";
import type { Settings } from "./settings.ts";

/** The sandbox of a workspace, looked for when the first command comes. */
export interface WorkspaceSandbox extends AsyncDisposable {
  sandbox: Sandbox;
  /** Chooses now. Throws `sandbox_unavailable`. */
  choose(): Promise<ChosenSandbox>;
  /** What is in force; absent before the first command. */
  chosen(): ChosenSandbox | undefined;
}

export interface WorkspaceSandboxOptions {
  /** Absolute path of the workspace with links resolved. */
  root: string;
  mode: () => PermissionMode;
  /** Takes known secrets out of what commands print. */
  redactor?: Redactor;
}

export function createWorkspaceSandbox(
  settings: Settings,
  { root, mode, redactor = NO_REDACTION }: WorkspaceSandboxOptions,
): WorkspaceSandbox {
  let chosen: ChosenSandbox | undefined;
  const open = async (): Promise<Sandbox> => {
    const { chooseSandbox } = await import("../sandbox/choose.ts");
    // Where a person is asked about each command they may also run it without isolation; auto mode needs the flag.
    const allowUnsandboxed = settings.allowUnsandboxed || mode() !== "auto";
    chosen = await chooseSandbox({ ...toChooseOptions(settings, root), allowUnsandboxed });
    return chosen.sandbox;
  };
  // The lazy sandbox chooses once, however many ask at the same time, and disposes what was chosen.
  const sandbox = redactSandbox(createLazySandbox(open), redactor);
  return {
    sandbox,
    choose: async () => {
      await sandbox.prepare?.();
      return chosen as ChosenSandbox;
    },
    chosen: () => chosen,
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

/** All that decides about the sandbox comes from the user's own settings, and nothing from the workspace. */
export function toChooseOptions(settings: Settings, root: string): Omit<ChooseOptions, "allowUnsandboxed"> {
  const { sandbox, network, dockerHost, sandboxImage, runtimeDir, userHome, home } = settings;
  return {
    workspaceRoot: root,
    network,
    toolchains: nodeToolchain(),
    docker: { host: dockerHost, image: sandboxImage, home: userHome, runtimeDir },
    stateDir: home,
    version: packageVersion(),
    ...(sandbox === undefined ? {} : { prefer: sandbox }),
  };
}

/** Commands should find the Node that runs us, also where it was installed below a home folder. */
export function nodeToolchain(): string[] {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  return prefix === "/" || prefix === "/usr" || prefix.startsWith("/usr/") ? [] : [prefix];
}

export function toLabel({ sandbox }: ChosenSandbox): string {
  return toSandboxLabel(sandbox);
}
