import { AgentError } from "../core/errors.ts";
import { isObject } from "../core/json-object.ts";

export const TRUST_KINDS = ["tool", "mcp", "env", "skill", "config"] as const;
export type TrustKind = (typeof TRUST_KINDS)[number];

export interface TrustEntry {
  /** Absolute path of the workspace with links resolved: a workspace that was moved is another one. */
  workspace: string;
  kind: TrustKind;
  name: string;
  sha256: string;
  /** ISO 8601. */
  decidedAt: string;
  /** False: it may run outside the sandbox. */
  sandboxed: boolean;
  /** What it said of itself then, as JSON. Whoever uses it checks it again. */
  declaration?: unknown;
}

/**
 * The entries of a stored file; none for `undefined`. One entry that is not understood makes the whole file unusable, since nobody can
 * tell what else in it is not as it was written. Throws `AgentError` `config_invalid`.
 */
export function parseTrustEntries(stored: unknown, file: string): TrustEntry[] {
  if (stored === undefined) return [];
  const { version, entries } = (isObject(stored) ? stored : {}) as { version?: unknown; entries?: unknown };
  if (version !== 1 || !Array.isArray(entries))
    throw unusableTrust(file, "it is no list of agreements of version 1");
  return entries.map((entry, index) => parseEntry(entry, `${file}: entry ${index + 1}`));
}

function parseEntry(value: unknown, where: string): TrustEntry {
  if (!isObject(value)) throw unusableTrust(where, "it is no object");
  const { workspace, kind, name, sha256, decidedAt, sandboxed, declaration } = value;
  if (typeof workspace !== "string" || workspace === "") throw unusableTrust(where, "`workspace` is no path");
  if (!TRUST_KINDS.includes(kind as TrustKind))
    throw unusableTrust(where, `\`kind\` is none of ${TRUST_KINDS.join(", ")}`);
  if (typeof name !== "string" || name === "") throw unusableTrust(where, "`name` is no name");
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256))
    throw unusableTrust(where, "`sha256` is no SHA-256 in hex");
  if (typeof decidedAt !== "string" || Number.isNaN(Date.parse(decidedAt)))
    throw unusableTrust(where, "`decidedAt` is no time");
  if (typeof sandboxed !== "boolean") throw unusableTrust(where, "`sandboxed` is neither true nor false");
  return {
    workspace,
    kind: kind as TrustKind,
    name,
    sha256,
    decidedAt,
    sandboxed,
    ...(declaration === undefined ? {} : { declaration }),
  };
}

/** `where`: the file, or an entry of it. */
export function unusableTrust(where: string, why: string): AgentError {
  return new AgentError(
    "config_invalid",
    `\`${where}\` cannot be used: ${why}. Nothing is trusted meanwhile; repair it, or remove the file and run \`lmagent trust add\` again.`,
    { data: { path: where } },
  );
}
