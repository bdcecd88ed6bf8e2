import { errorMessage } from "../../core/errors.ts";
import { openWorkspace } from "../../workspace/index.ts";
import type { Settings } from "../settings.ts";

/** One thing that an agent needs. */
export interface DoctorCheck {
  name: string;
  /** `note`: worth knowing, and nothing is the worse for it. */
  status: "ok" | "note" | "broken";
  detail: string;
  /** What to type to repair it. */
  fix?: string;
}

const MIN_NODE = [20, 19] as const;

export function checkNode(version: string): DoctorCheck {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isNew = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  if (isNew) return { name: "Node", status: "ok", detail: version };
  return {
    name: "Node",
    status: "broken",
    detail: `${version} is older than ${MIN_NODE.join(".")}`,
    fix: "nvm install 22 (or install Node 22 from https://nodejs.org)",
  };
}

export interface WorkspaceFound {
  check: DoctorCheck;
  /** Absent when it cannot be used. */
  root?: string;
}

export async function checkWorkspace({ workspace, userHome, home }: Settings): Promise<WorkspaceFound> {
  try {
    await using opened = await openWorkspace(workspace, { home: userHome, stateDir: home });
    return { check: { name: "workspace", status: "ok", detail: opened.root }, root: opened.root };
  } catch (error) {
    const fix = "lmagent doctor --workspace FOLDER, with the folder of a project";
    return { check: { name: "workspace", status: "broken", detail: errorMessage(error), fix } };
  }
}
