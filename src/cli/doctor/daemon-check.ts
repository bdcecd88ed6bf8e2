/** The model runtime: its settings, the daemon that holds loaded models, and the models that there are. Nothing is started or loaded. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { errorMessage } from "../../core/errors.ts";
import type { ModelSource } from "../../engine/catalog/catalog.ts";
import { createCatalog } from "../../engine/catalog/local-catalog.ts";
import { isAlive } from "../../processes/is-alive.ts";
import { findDaemon } from "../../server/daemon/client.ts";
import type { DaemonClient } from "../../server/daemon/client.ts";
import { daemonRunPath, readDaemonRun } from "../../server/daemon/run-file.ts";
import type { DaemonStatus } from "../../server/daemon/settings.ts";
import type { ModelReport } from "../../server/daemon/stats.ts";
import { formatCount } from "../../tui/format.ts";
import { SOURCE_NAMES } from "../commands/models/source-names.ts";
import { pickModelEnv } from "../model-env.ts";
import { packageVersion } from "../package-root.ts";
import { readServerSetup } from "../server-settings.ts";
import type { Settings } from "../settings.ts";
import type { DoctorCheck } from "./checks.ts";

/** What of `server:` and `gpu:` in config.yaml cannot be meant; nothing when all can. */
export async function checkServerSettings(
  { home }: Pick<Settings, "home">,
  env: NodeJS.ProcessEnv,
): Promise<readonly DoctorCheck[]> {
  try {
    await readServerSetup({}, env);
    return [];
  } catch (error) {
    const fix = `correct it in ${join(home, "config.yaml")}, then lmagent doctor`;
    return [{ name: "server settings", status: "broken", detail: errorMessage(error), fix }];
  }
}

/** Which daemon runs, where it serves, and what it has loaded. */
export async function checkDaemon({ home }: Pick<Settings, "home">): Promise<DoctorCheck> {
  const name = "daemon";
  const client = await findDaemon(home);
  if (client === undefined) return toAbsent(home);
  try {
    const status = await client.ask<DaemonStatus>("/control/status");
    const { models } = await client.ask<{ models: ModelReport[] }>("/control/models");
    const detail = [`pid ${status.pid}`, toServing(status), toLoaded(models)].join(", ");
    if (status.version === packageVersion()) return { name, status: "ok", detail };
    const old = `${detail}; it is of version ${status.version}, and this is ${packageVersion()}`;
    return { name, status: "note", detail: old, fix: "lmagent daemon down && lmagent daemon up" };
  } catch (error) {
    return toSilent(client.run, errorMessage(error));
  }
}

async function toAbsent(home: string): Promise<DoctorCheck> {
  const run = existsSync(daemonRunPath(home)) ? await readDaemonRun(home) : undefined;
  // Another program may have the number of one that ended.
  if (run !== undefined && isAlive(run.pid)) return toSilent(run, "it does not answer");
  const detail = "none runs; the model server is started with `lmagent server start`";
  return { name: "daemon", status: "ok", detail };
}

function toSilent({ pid, port }: DaemonClient["run"], why: string): DoctorCheck {
  return {
    name: "daemon",
    status: "note",
    detail: `one was started as pid ${pid} on port ${port}: ${why}`,
    fix: `ps -p ${pid}; if that is a daemon of lmagent, kill ${pid}`,
  };
}

function toServing({ server }: DaemonStatus): string {
  if (server === undefined) return "serves this machine's agents only";
  return `serves ${server.url} ${server.keyRequired ? "with" : "without"} an API key`;
}

function toLoaded(models: readonly ModelReport[]): string {
  if (models.length === 0) return "no model loaded";
  return models
    .map(({ id, state, contextTokens, backend }) =>
      state === "ready"
        ? `has ${id} with ${formatCount(contextTokens)} tokens in the engine ${backend}`
        : `has ${id}, ${state}`,
    )
    .join(", ");
}

/** The model files of this machine, by whose they are. */
export async function checkModels(
  { home, userHome }: Pick<Settings, "home" | "userHome">,
  { packageModel, env }: { packageModel: string; env: NodeJS.ProcessEnv },
): Promise<DoctorCheck> {
  const name = "models";
  const catalog = createCatalog({ home, userHome, packageModel, env: pickModelEnv(env) });
  try {
    const found = (await catalog.list()).filter(({ source }) => source !== "package");
    const broken = (await catalog.broken()).length;
    const faults =
      broken === 0 ? "" : `; ${formatCount(broken)} ${broken === 1 ? "file" : "files"} cannot be used`;
    if (found.length === 0) {
      const detail = `none but the practice model${faults}`;
      return {
        name,
        status: "note",
        detail,
        fix: "lmagent models get owner/repo, such as Qwen/Qwen3-8B-GGUF",
      };
    }
    const detail = `${formatCount(found.length)} on this machine: ${countBySource(found)}${faults}`;
    if (broken === 0) return { name, status: "ok", detail };
    return { name, status: "note", detail, fix: "lmagent models list, which names them with the reasons" };
  } catch (error) {
    return { name, status: "note", detail: errorMessage(error), fix: "lmagent models list" };
  }
}

function countBySource(found: readonly { source: ModelSource }[]): string {
  const counts = new Map<ModelSource, number>();
  for (const { source } of found) counts.set(source, (counts.get(source) ?? 0) + 1);
  return [...counts].map(([source, count]) => `${formatCount(count)} of ${SOURCE_NAMES[source]}`).join(", ");
}
