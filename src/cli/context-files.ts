import { AgentError } from "../core/errors.ts";
import type { Message } from "../core/message.ts";
import { toSystemPrompt, type PromptParts } from "../core/prompt.ts";
import type { Workspace } from "../core/workspace.ts";

const SOUL_FILES = [".lmagent/.soul.md", ".soul.md"];
const CONTEXT_FILES = [".lmagent.md", "AGENTS.md"];
/** Of each file; more would leave a small window no room to work in. */
const MAX_BYTES = 8_000;

export interface ContextFile {
  name: string;
  text: string;
  truncated: boolean;
}

/** The files by which a user tells the agent about themselves and the project. Unreadable ones are left out. */
export async function readContextFiles(
  workspace: Workspace,
): Promise<{ soul?: ContextFile; context: ContextFile[] }> {
  const [souls, context] = await Promise.all([
    readAll(workspace, SOUL_FILES),
    readAll(workspace, CONTEXT_FILES),
  ]);
  return { ...(souls[0] === undefined ? {} : { soul: souls[0] }), context };
}

/** The first message of a session, made of these files. */
export async function readSystemMessage(workspace: Workspace): Promise<Message> {
  return { role: "system", content: toSystemPrompt(toPromptParts(await readContextFiles(workspace))) };
}

function toPromptParts({
  soul,
  context,
}: {
  soul?: ContextFile;
  context: readonly ContextFile[];
}): PromptParts {
  return {
    ...(soul === undefined ? {} : { soul: toText(soul) }),
    context: context.map((file) => ({ name: file.name, text: toText(file) })),
  };
}

function toText({ name, text, truncated }: ContextFile): string {
  return truncated ? `${text}\n[${name} goes on; use read to see the rest]` : text;
}

async function readAll(workspace: Workspace, names: readonly string[]): Promise<ContextFile[]> {
  const files = await Promise.all(names.map((name) => readOne(workspace, name)));
  return files.filter((file) => file !== undefined);
}

async function readOne(workspace: Workspace, name: string): Promise<ContextFile | undefined> {
  try {
    if ((await workspace.stat(name)) === undefined) return undefined;
    const { text, truncated } = await workspace.readText(name, { maxBytes: MAX_BYTES });
    return text.trim() === "" ? undefined : { name, text, truncated };
  } catch (error) {
    if (AgentError.is(error)) return undefined;
    throw error;
  }
}
