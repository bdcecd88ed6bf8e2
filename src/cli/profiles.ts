/**
 * What is known about a model on its server: set by the user in `config.yaml`, found out by a probe and kept in
 * `LMAGENT_HOME/profiles/`, or built in; in this order.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { AgentError, errorMessage } from "../core/errors.ts";
import type { ModelInfo, ProbeFindings } from "../core/model.ts";
import { parseFindings, withFindings } from "../models/index.ts";
import { openJsonFile, type JsonFile } from "../permissions/json-file.ts";
import { findOverride, readOverrides } from "./profile-overrides.ts";

export interface Profiles {
  /** The description with all that is known. Never throws: kept findings that cannot be used are left out, with a warning. */
  apply(info: ModelInfo): ModelInfo;
  /** What a probe has kept for this model on this server, with this template. */
  find(info: ModelInfo): ProbeFindings | undefined;
  /** As if nothing were kept: for a new test, which the old findings must not decide. The file stays until it is replaced. */
  forget(info: ModelInfo): void;
  /** Throws `AgentError` `storage_failed`. */
  save(info: ModelInfo, findings: ProbeFindings): Promise<void>;
  /** What could not be used, each said once. */
  takeWarnings(): readonly string[];
}

/** Raised when old findings would mean something else. */
const FORMAT = 1;
/** Of findings that were never made: all there is comes from the configuration. */
const NEVER = new Date(0).toISOString();

/** Whether findings come from a test at all. */
export function isTested({ probedAt }: ProbeFindings): boolean {
  return probedAt !== NEVER;
}

/** Throws `AgentError` `config_invalid` for `profiles:` in `config.yaml` that cannot be used. */
export async function openProfiles({ home }: { home: string }): Promise<Profiles> {
  const overrides = await readOverrides(home);
  const folder = join(home, "profiles");
  const known = new Map<string, ProbeFindings | undefined>();
  const warnings: string[] = [];
  const find = (info: ModelInfo): ProbeFindings | undefined => {
    const file = toFile(folder, info);
    if (!known.has(file)) known.set(file, readKept(file, info, warnings));
    return known.get(file);
  };
  return {
    find,
    apply(info) {
      const set = findOverride(overrides, info);
      const findings = mergeFindings(find(info), set.findings);
      const contextTokens = info.contextTokens ?? set.contextTokens;
      const vision = set.findings.vision ?? info.vision ?? findings?.vision;
      const window = contextTokens === undefined ? {} : { contextTokens };
      const learned = findings === undefined ? info.profile : withFindings(info.profile, findings, window);
      return {
        ...info,
        ...window,
        ...(vision === undefined ? {} : { vision }),
        profile: { ...learned, ...set.profile },
      };
    },
    forget: (info) => void known.set(toFile(folder, info), undefined),
    async save(info, findings) {
      const file = toFile(folder, info);
      await writeKept(openKept(file), { format: FORMAT, ...toIdentity(info), findings });
      known.set(file, findings);
    },
    takeWarnings: () => warnings.splice(0),
  };
}

function mergeFindings(
  found: ProbeFindings | undefined,
  set: Partial<ProbeFindings>,
): ProbeFindings | undefined {
  if (found === undefined && Object.keys(set).length === 0) return undefined;
  return { probedAt: NEVER, ...found, ...set };
}

interface Identity {
  server: string;
  baseUrl: string;
  model: string;
  templateHash: string;
  quantization: string;
}

/**
 * What the findings depend on. Our own runtime has another port each time it starts, and tells template and quantization only after
 * it has loaded the file, whose name says it all.
 */
function toIdentity({ server, baseUrl, id, templateHash = "", quantization = "" }: ModelInfo): Identity {
  const own = server === "lmagent";
  return {
    server,
    baseUrl: own ? "embedded" : baseUrl,
    model: id,
    templateHash: own ? "" : templateHash,
    quantization: own ? "" : quantization,
  };
}

function toFile(folder: string, info: ModelInfo): string {
  const { server, baseUrl, model, templateHash, quantization } = toIdentity(info);
  const key = JSON.stringify([server, baseUrl, model, templateHash, quantization]);
  return join(folder, `${createHash("sha256").update(key).digest("hex").slice(0, 24)}.json`);
}

function openKept(file: string): JsonFile {
  return openJsonFile({
    file,
    unusable: (why) =>
      new AgentError("config_invalid", `Kept findings in \`${file}\` are not used: ${why}.`, {
        data: { path: file },
      }),
  });
}

function readKept(file: string, info: ModelInfo, warnings: string[]): ProbeFindings | undefined {
  let stored: unknown;
  try {
    stored = openKept(file).read();
  } catch (error) {
    warnings.push(`${errorMessage(error)} \`lmagent probe --refresh\` makes new ones.`);
    return undefined;
  }
  if (stored === undefined) return undefined;
  const { format, findings, ...identity } = (stored ?? {}) as Record<string, unknown>;
  if (typeof format === "number" && format < FORMAT) return undefined;
  const isThis = Object.entries(toIdentity(info)).every(([name, value]) => identity[name] === value);
  const parsed = format === FORMAT && isThis ? parseFindings(findings) : undefined;
  if (parsed === undefined)
    warnings.push(
      `Kept findings in \`${file}\` are not used: they are not in their format. \`lmagent probe --refresh\` makes new ones.`,
    );
  return parsed;
}

/** What lies there may be anything; it is only ever replaced. */
async function writeKept(kept: JsonFile, content: unknown): Promise<void> {
  try {
    await kept.update(() => content);
  } catch (error) {
    if (!AgentError.is(error, "config_invalid")) throw error;
    await kept.remove();
    await kept.update(() => content);
  }
}
