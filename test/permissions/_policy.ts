import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { CommandPlace, PermissionMode } from "../../src/core/approval.ts";
import { isHarmlessCommand } from "../../src/core/harmless-command.ts";
import type { PermissionCall } from "../../src/core/permission.ts";
import type { CallPreview, ToolAccess } from "../../src/core/tool.ts";
import { parseRules, type Rule, type RuleLayer } from "../../src/permissions/rule.ts";

export const ISOLATED: CommandPlace = { backend: "bubblewrap", isolated: true, network: "none" };
export const WORKSPACE = "/home/user/project";

export interface CallLook {
  mode?: PermissionMode;
  place?: CommandPlace;
  preview?: Partial<CallPreview>;
  writesInTurn?: number;
}

export function shellCall(command: string, look: CallLook = {}): PermissionCall {
  const { place = ISOLATED, preview } = look;
  return toolCall(
    "shell",
    { command },
    {
      ...look,
      access: "execute",
      preview: { command, place, harmless: isHarmlessCommand(command), ...preview },
    },
  );
}

export function toolCall(
  tool: string,
  input: Record<string, unknown>,
  { mode = "normal", access = "network", preview, writesInTurn = 0 }: CallLook & { access?: ToolAccess } = {},
): PermissionCall {
  return {
    tool,
    access,
    input,
    preview: { kind: "text", text: "", concerns: [], ...preview },
    mode,
    writesInTurn,
  };
}

export function writeCall(path: string, look: CallLook = {}): PermissionCall {
  return toolCall(
    "write",
    { path, content: "x" },
    { ...look, access: "write", preview: { writes: [path], ...look.preview } },
  );
}

/** Rules as a file of this layer would give them. */
export function toRules(layer: RuleLayer, ...rules: readonly Record<string, unknown>[]): Rule[] {
  return parseRules({ rules }, { layer, file: `/${layer}.yaml` });
}

export function allow(match: string, tool = "shell"): Rule[] {
  return toRules("user", { tool, match, decision: "allow" });
}

/** A folder that is gone after the test. */
export function makeFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "lmagent-rules-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}
