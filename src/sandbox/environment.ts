/** The environment of commands is built from nothing: what the agent itself was started with is never passed on. */
import type { SandboxNetwork } from "../core/sandbox.ts";

const SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

export interface EnvironmentOptions {
  home: string;
  /** Absolute folders with a `bin`, such as that of a Node from a version manager. */
  toolchains: readonly string[];
  /** Default `bridge`. */
  network?: SandboxNetwork;
  added?: Readonly<Record<string, string>> | undefined;
}

/** Package managers then say at once that there is no network, where they would try again until the time is up. */
const OFFLINE = { npm_config_offline: "true", PIP_RETRIES: "0" } as const;

export function toCleanEnvironment({
  home,
  toolchains,
  network = "bridge",
  added = {},
}: EnvironmentOptions): Record<string, string> {
  return {
    PATH: [SYSTEM_PATH, ...toolchains.map((folder) => `${folder}/bin`)].join(":"),
    HOME: home,
    TMPDIR: home,
    LANG: "C.UTF-8",
    TERM: "dumb",
    ...(network === "none" ? OFFLINE : {}),
    ...added,
  };
}

/** Settings of git at its lowest level: commits can be made, and whatever a repository or a command says counts for more. */
export const GIT_SETTINGS = "[user]\n\tname = LMAgent\n\temail = lmagent@localhost\n";
