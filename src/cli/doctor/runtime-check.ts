/** Our own runtime, the model that ships with the package, and the limits of a run. */
import { existsSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { formatBytes, formatCount, formatDuration } from "../../tui/format.ts";
import type { Settings } from "../settings.ts";
import type { DoctorCheck } from "./checks.ts";
import { quoteForShell } from "./quote.ts";

const RUNTIME = "node-llama-cpp";

/** Whether `node-llama-cpp` is there; it is optional, and nothing of it is loaded to find out. */
export function checkEngine(root: string, { needed }: { needed: boolean }): DoctorCheck {
  const folders = createRequire(join(root, "package.json")).resolve.paths(RUNTIME) ?? [];
  const folder = folders
    .map((one) => join(one, RUNTIME))
    .find((one) => existsSync(join(one, "package.json")));
  if (folder !== undefined) return { name: "engine", status: "ok", detail: `${RUNTIME}, for .gguf files` };
  return {
    name: "engine",
    status: needed ? "broken" : "note",
    detail: `${RUNTIME} is not installed, so no .gguf file can be run here; model servers are not concerned`,
    fix: toInstall(root),
  };
}

/** Beside the package where it was installed, or inside a checkout. */
function toInstall(root: string): string {
  if (basename(dirname(root)) === "node_modules") return `npm install --global ${RUNTIME}`;
  return `npm install --prefix ${quoteForShell(root)}`;
}

/** `broken` only where it would have to serve. */
export function checkPracticeModel(root: string, { needed }: { needed: boolean }): DoctorCheck {
  const name = "practice model";
  const file = join(root, "practice-model", "practice.gguf");
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats?.isFile() && stats.size > 0)
    return { name, status: "ok", detail: `${file}, ${formatBytes(stats.size)}, for trying out` };
  const detail = `${file} is missing`;
  return { name, status: needed ? "broken" : "note", detail, fix: "npm install --global lmagent" };
}

/** What ends a run or shortens its conversation, as it is set. */
export function checkRunLimits(settings: Settings): DoctorCheck {
  const { maxTurns, maxTimeMs, silenceMs, temperature, compactAt } = settings;
  const time = Number.isFinite(maxTimeMs) ? formatDuration(maxTimeMs) : "any time";
  const parts = [
    `a run has ${maxTurns} turns and ${time}`,
    `a conversation is compacted at ${formatCount(compactAt)} tokens, or at what the window allows`,
    `a server counts as gone after ${formatDuration(silenceMs)} of silence`,
    `temperature ${temperature}`,
  ];
  return { name: "run limits", status: "ok", detail: parts.join("; ") };
}
