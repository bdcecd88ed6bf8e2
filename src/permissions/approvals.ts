/** Answers that hold for longer than one call: for this conversation in memory, for a workspace in a file outside of it. */
import { createHash } from "node:crypto";
import type { RememberedCalls } from "../core/approval.ts";
import { AgentError } from "../core/errors.ts";
import { openJsonFile, type JsonFile } from "./json-file.ts";
import type { Rule } from "./rule.ts";

/** One answer that was kept. */
export interface KeptApproval extends RememberedCalls {
  /** Names it for `lmagent permissions revoke`. */
  id: string;
  /** Absolute path of the workspace with links resolved. */
  workspace: string;
  /** ISO 8601. */
  at: string;
}

export interface ApprovalStoreOptions {
  /** Absolute path of `approvals.json`. Its folder is made when it is first written. */
  file: string;
  now: () => Date;
}

/**
 * Reads the file anew each time, so that what another agent kept or `lmagent permissions revoke` took away counts at once. Every
 * method throws `AgentError`: `config_invalid` for a file that cannot be relied on, `storage_failed` when it cannot be read or written.
 */
export interface ApprovalStore {
  list(workspace?: string): KeptApproval[];
  add(workspace: string, calls: RememberedCalls): Promise<KeptApproval>;
  /** Takes away the approval of this id, or all; returns what was taken away. Taking away all works on a broken file too. */
  revoke(id: string | undefined): Promise<KeptApproval[]>;
}

const MAX_APPROVALS = 1_000;

export function createApprovalStore({ file, now }: ApprovalStoreOptions): ApprovalStore {
  const stored = openJsonFile({ file, unusable: (why) => unusable(file, why) });
  const read = (): KeptApproval[] => parseStored(stored.read(), file);
  const update = (change: (kept: KeptApproval[]) => KeptApproval[]): Promise<void> =>
    stored.update((before) => ({ version: 1, approvals: change(parseStored(before, file)) }));
  return {
    list: (workspace) => read().filter((each) => workspace === undefined || each.workspace === workspace),
    async add(workspace, { tool, prefix, version }) {
      const calls: RememberedCalls = {
        tool,
        ...(prefix === undefined ? {} : { prefix }),
        ...(version === undefined ? {} : { version }),
      };
      const kept: KeptApproval = { id: toId(workspace, calls), workspace, ...calls, at: now().toISOString() };
      await update((all) => [...all.filter(({ id }) => id !== kept.id), kept].slice(-MAX_APPROVALS));
      return kept;
    },
    async revoke(id) {
      if (id === undefined) return revokeAll(stored, read);
      let taken: KeptApproval[] = [];
      await update((all) => {
        taken = all.filter((each) => each.id === id);
        return all.filter((each) => each.id !== id);
      });
      return taken;
    },
  };
}

async function revokeAll(stored: JsonFile, read: () => KeptApproval[]): Promise<KeptApproval[]> {
  let taken: KeptApproval[] = [];
  try {
    taken = read();
  } catch (error) {
    if (!AgentError.is(error, "config_invalid")) throw error;
  }
  await stored.remove();
  return taken;
}

/** The same answer has the same id, so that it is kept once. */
function toId(workspace: string, { tool, prefix, version }: RememberedCalls): string {
  return createHash("sha256")
    .update(JSON.stringify([workspace, tool, prefix ?? null, ...(version === undefined ? [] : [version])]))
    .digest("hex")
    .slice(0, 12);
}

function parseStored(stored: unknown, file: string): KeptApproval[] {
  if (stored === undefined) return [];
  const { approvals } = (stored ?? {}) as { approvals?: unknown };
  if (!Array.isArray(approvals) || !approvals.every(isKept))
    throw unusable(file, "it is not a list of approvals");
  return approvals;
}

function isKept(value: unknown): value is KeptApproval {
  if (typeof value !== "object" || value === null) return false;
  const { id, workspace, tool, prefix, version, at } = value as Record<string, unknown>;
  const isPrefix =
    prefix === undefined ||
    (Array.isArray(prefix) && prefix.length > 0 && prefix.every((word) => typeof word === "string"));
  // A command is only ever kept together with how it starts.
  return (
    [id, workspace, tool, at].every((each) => typeof each === "string") &&
    isPrefix &&
    (version === undefined || typeof version === "string") &&
    (tool !== "shell" || prefix !== undefined)
  );
}

function unusable(file: string, why: string): AgentError {
  return new AgentError(
    "config_invalid",
    `Remembered approvals in \`${file}\` cannot be used: ${why}. They are not applied; \`lmagent permissions revoke --all\` removes the file.`,
    { data: { path: file } },
  );
}

/** A kept answer as the rule that it is. */
export function toRule({
  id,
  tool,
  prefix,
  version,
}: Pick<KeptApproval, "id" | keyof RememberedCalls>): Rule {
  return {
    id,
    layer: "remembered",
    tool,
    decision: "allow",
    ...(prefix === undefined ? {} : { prefix }),
    ...(version === undefined ? {} : { version }),
    matchExamples: [],
    notMatchExamples: [],
  };
}
