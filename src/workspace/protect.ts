import { STATE_FOLDER } from "../core/workspace.ts";
import { pathRefused } from "./failures.ts";
import { foldName } from "./paths.ts";

/** Folders that hold nothing of the project itself: no search looks into them. */
export const UNSEARCHED_FOLDERS: readonly string[] = [".git", "node_modules", STATE_FOLDER];

/** Files that other programs run or obey when the folder is opened. */
const RUN_BY_OTHERS: readonly { parts: readonly string[]; why: string }[] = [
  { parts: [".git"], why: "is part of git's own data, which can make git run programs" },
  { parts: [".vscode", "tasks.json"], why: "can make the editor run programs" },
  { parts: [".vscode", "settings.json"], why: "can make the editor run programs" },
  { parts: [".vscode", "launch.json"], why: "can make the editor run programs" },
  { parts: [".idea"], why: "can make the editor run programs" },
  { parts: [".envrc"], why: "is run by the shell when the folder is entered" },
];

/** Files that every later conversation starts with. Only the agent reads the first two; the last one is also the project's own document. */
const AGENT_MEMORY: ReadonlySet<string> = new Set([".lmagent.md", ".soul.md"]);
const PROJECT_MEMORY = "agents.md";

/** Throws `path_refused` when a relative path lies in a state folder, in any spelling. */
export function refuseStateFolder(relative: string): void {
  if (relative.split("/").some((name) => foldName(name) === STATE_FOLDER)) {
    throw pathRefused(relative, `\`${STATE_FOLDER}\` holds the agent's own state and cannot be changed`);
  }
}

export interface Concerns {
  concerns: string[];
  refuseInAuto?: boolean;
}

/** Why a person should look before this path is written. */
export function pathConcerns(relative: string): Concerns {
  const names = relative.split("/").map(foldName);
  const last = names.at(-1) ?? "";
  const found = RUN_BY_OTHERS.find(({ parts }) =>
    names.some((_, at) => parts.every((part, offset) => names[at + offset] === part)),
  );
  if (found) return { concerns: [`\`${relative}\` ${found.why}`], refuseInAuto: true };
  const memory = { concerns: [`\`${relative}\` is read at the start of every conversation`] };
  if (AGENT_MEMORY.has(last)) return { ...memory, refuseInAuto: true };
  return last === PROJECT_MEMORY ? memory : { concerns: [] };
}
