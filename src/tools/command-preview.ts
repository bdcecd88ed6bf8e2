import type { Sandbox } from "../core/sandbox.ts";
import type { CallPreview } from "../core/tool.ts";

export interface CommandToolOptions {
  sandbox: Sandbox;
  /** The user has accepted that commands may run without isolation and unasked; otherwise auto mode refuses them. */
  allowUnsandboxed?: boolean;
}

/** What is shown and weighed before a command: without isolation every one of them is a reason to ask. */
export async function previewCommand(
  command: string,
  { sandbox, allowUnsandboxed = false }: CommandToolOptions,
): Promise<CallPreview> {
  await sandbox.prepare?.();
  const { backend, isolated, network } = sandbox;
  const place = { backend, isolated, network };
  const preview = { kind: "command", text: command, command, place } as const;
  if (isolated) return { ...preview, concerns: [] };
  return { ...preview, concerns: ["it runs without isolation"], refuseInAuto: !allowUnsandboxed };
}
