/** The custom tools of a workspace: those that the user has trusted, as they were then; the others are only told about. */
import { join } from "node:path";
import { AgentError } from "../core/errors.ts";
import type { Sandbox } from "../core/sandbox.ts";
import type { Tool } from "../core/tool.ts";
import { TOOLS_FOLDER } from "../core/workspace.ts";
import type { ToolFile, TrustEntry, TrustStore } from "../permissions/index.ts";
// Not through the door, which would load the backends at every start.
import { createLazySandbox } from "../sandbox/lazy.ts";
import type { CustomTool, ParsedDeclaration } from "../tools/custom/index.ts";
import { mayBeThere } from "./may-be-there.ts";
import type { Settings } from "./settings.ts";
import { nodeToolchain } from "./workspace-sandbox.ts";

export interface CustomToolsOptions {
  /** Absolute path with links resolved. */
  workspace: string;
  /** Where commands run. Nothing is started in it before a tool is called. */
  sandbox: Sandbox;
  settings: Pick<Settings, "home" | "allowUnsandboxed">;
}

export interface CustomTools extends AsyncDisposable {
  /** In the order of their names. */
  tools: readonly Tool[];
  /** Not loaded, since nobody has agreed to what they are now. */
  pending: readonly PendingTool[];
  /** Why other files were not loaded, in words for the user. */
  problems: readonly string[];
}

export interface PendingTool extends ToolFile {
  state: "new" | "changed";
  /** The text that was agreed to before; absent when that is not known. */
  before?: string;
  /** What was left out and what to do, in one line. */
  warning: string;
}

/**
 * Reads what is there and runs none of it. A workspace without the folder costs one look. A trust store that cannot be relied on is a
 * problem to tell, and then no tool is loaded.
 */
export async function loadCustomTools(options: CustomToolsOptions): Promise<CustomTools> {
  const { workspace, settings } = options;
  const folder = join(workspace, TOOLS_FOLDER);
  if (!mayBeThere(folder)) return toCustomTools({});
  const { readToolFiles } = await import("../permissions/index.ts");
  const { tools: files, problems } = readToolFiles(workspace);
  try {
    const trust = await openTrustStore(settings);
    const outside = createOutsideSandbox(workspace);
    const loaded = files.map((file) => loadTool(file, { ...options, trust, outside }));
    const parts = await Promise.all(loaded);
    return toCustomTools({
      tools: parts.flatMap(({ tool }) => tool ?? []),
      pending: parts.flatMap(({ pending }) => pending ?? []),
      problems: [...problems, ...parts.flatMap(({ problem }) => problem ?? [])],
      outside,
    });
  } catch (error) {
    if (!AgentError.is(error)) throw error;
    return toCustomTools({ problems: [...problems, `No custom tool was loaded: ${error.message}`] });
  }
}

interface CustomToolParts {
  tools?: readonly CustomTool[];
  pending?: readonly PendingTool[];
  problems?: readonly string[];
  outside?: Sandbox;
}

function toCustomTools({ tools = [], pending = [], problems = [], outside }: CustomToolParts): CustomTools {
  return {
    tools,
    pending,
    problems,
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(tools.map((tool) => tool[Symbol.asyncDispose]()));
      await outside?.[Symbol.asyncDispose]();
    },
  };
}

interface LoadContext extends CustomToolsOptions {
  trust: TrustStore;
  outside: Sandbox;
}

type Loaded = { tool?: CustomTool; pending?: PendingTool; problem?: string };

async function loadTool(file: ToolFile, context: LoadContext): Promise<Loaded> {
  const { workspace, trust, settings } = context;
  const item = toTrustItem(workspace, file);
  const state = trust.check(item);
  const entry = trust.find(item);
  if (state !== "trusted" || entry === undefined) return { pending: toPending(file, { entry, trust }) };
  const { createCustomTool, parseDeclaration } = await import("../tools/custom/index.ts");
  const parsed = parseDeclaration(entry.declaration);
  if (!parsed.ok) return { problem: `${toPath(file)} was not loaded: ${parsed.error}. ${toAdvice(file)}` };
  const outsideSandbox = !entry.sandboxed;
  const tool = createCustomTool({
    source: file,
    declaration: parsed.declaration,
    sandbox: outsideSandbox ? context.outside : context.sandbox,
    outsideSandbox,
    allowUnsandboxed: settings.allowUnsandboxed,
  });
  return { tool };
}

export function toTrustItem(workspace: string, { name, sha256 }: ToolFile) {
  return { workspace, kind: "tool", name, sha256 } as const;
}

export function toPending(
  file: ToolFile,
  { entry, trust }: { entry: TrustEntry | undefined; trust: TrustStore },
): PendingTool {
  const before = entry && trust.textOf(entry);
  const what = entry === undefined ? "is new here" : "has changed since you trusted it";
  return {
    ...file,
    state: entry === undefined ? "new" : "changed",
    ...(before === undefined ? {} : { before }),
    warning: `${toPath(file)} ${what} and was not loaded. ${toAdvice(file)}`,
  };
}

function toPath({ file }: ToolFile): string {
  return `\`${TOOLS_FOLDER}/${file}\``;
}

function toAdvice({ name }: ToolFile): string {
  return `Look at it and decide with \`lmagent trust add ${name}\`.`;
}

export async function openTrustStore({ home }: Pick<Settings, "home">): Promise<TrustStore> {
  const { createTrustStore } = await import("../permissions/index.ts");
  return createTrustStore({ file: join(home, "trust.json"), now: () => new Date() });
}

/** For tools that the user has trusted to run outside: a process with a clean environment and limits, and no walls. */
export function createOutsideSandbox(workspace: string): Sandbox {
  return createLazySandbox(async () => {
    const { createProcessSandbox } = await import("../sandbox/index.ts");
    return createProcessSandbox({ workspaceRoot: workspace, toolchains: nodeToolchain() });
  });
}

export interface TrustToolOptions {
  workspace: string;
  /** Where it will run: the one for commands, or `createOutsideSandbox`. */
  sandbox: Sandbox;
  trust: TrustStore;
  outsideSandbox: boolean;
  signal: AbortSignal;
}

/**
 * Called once the user has said yes to exactly this text. Runs the tool's set-up to learn what it says about itself and keeps that
 * with the agreement, so that neither can change unasked. A tool that cannot be set up is not trusted. Throws like `Sandbox.start` and
 * `TrustStore.add`.
 */
export async function trustTool(
  file: ToolFile,
  { workspace, sandbox, trust, outsideSandbox, signal }: TrustToolOptions,
): Promise<ParsedDeclaration> {
  const { readDeclaration } = await import("../tools/custom/index.ts");
  const parsed = await readDeclaration(file, { sandbox, signal });
  if (!parsed.ok) return parsed;
  const { description, parameters, timeoutMs } = parsed.declaration;
  await trust.add(toTrustItem(workspace, file), {
    outsideSandbox,
    text: file.text,
    declaration: { description, parameters, timeoutSeconds: timeoutMs / 1_000 },
  });
  return parsed;
}
