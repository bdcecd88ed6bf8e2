import { AgentError } from "../../core/errors.ts";
import {
  readToolFiles,
  TRUST_KINDS,
  type ToolFile,
  type TrustEntry,
  type TrustStore,
} from "../../permissions/index.ts";
import { toTerminalJson, toTerminalLine, toVisibleText } from "../../tui/terminal-text.ts";
import { wrapExactly } from "../../tui/wrap.ts";
import { fileDiff } from "../../workspace/diff.ts";
import { openWorkspace } from "../../workspace/index.ts";
import { askYes } from "../ask-yes.ts";
import {
  createOutsideSandbox,
  openTrustStore,
  toPending,
  toTrustItem,
  trustTool,
  type PendingTool,
} from "../custom-tools.ts";
import { onInterrupt } from "../interrupt.ts";
import type { TaskFlags } from "../main.ts";
import { openApprovals } from "../permission-list.ts";
import { readSettings, type Settings } from "../settings.ts";
import { createWorkspaceSandbox } from "../workspace-sandbox.ts";

export interface TrustFlags extends TaskFlags {
  /** Trust without a question, for scripts. */
  yes?: boolean;
  /** Let it run without the sandbox. */
  outsideSandbox?: boolean;
}

const SHORT_HASH = 12;

interface TrustGround extends AsyncDisposable {
  settings: Settings;
  workspace: string;
  trust: TrustStore;
  tools: readonly ToolFile[];
  problems: readonly string[];
}

async function openTrustGround(flags: TrustFlags): Promise<TrustGround> {
  const settings = await readSettings(flags, process.env, process.cwd());
  const workspace = await openWorkspace(settings.workspace, {
    home: settings.userHome,
    stateDir: settings.home,
  });
  return {
    settings,
    workspace: workspace.root,
    trust: await openTrustStore(settings),
    ...readToolFiles(workspace.root),
    [Symbol.asyncDispose]: () => workspace[Symbol.asyncDispose](),
  };
}

interface TrustRow {
  state: "trusted" | "new" | "changed" | "gone" | "elsewhere";
  kind: string;
  name: string;
  sha256: string;
  workspace: string;
  sandboxed?: boolean;
  decidedAt?: string;
}

/** What lies in the workspace and what was agreed to, there and elsewhere. */
export async function listTrust(flags: TrustFlags): Promise<number> {
  await using ground = await openTrustGround(flags);
  const rows = toRows(ground);
  if (flags.json) process.stdout.write(`${toTerminalJson(rows, 2)}\n`);
  else if (rows.length === 0)
    process.stdout.write(
      `Nothing in ${toTerminalLine(ground.workspace)} needs trust, and nothing is trusted.\n`,
    );
  else process.stdout.write(`${rows.map(toLine).join("\n")}\n`);
  for (const problem of ground.problems) process.stderr.write(`lmagent: ${toTerminalLine(problem)}\n`);
  return 0;
}

function toRows({ workspace, trust, tools }: TrustGround): TrustRow[] {
  const entries = trust.list();
  const found = tools.map((file): TrustRow => {
    const item = toTrustItem(workspace, file);
    const entry = entries.find((each) => isSame(each, item));
    return { ...item, ...toDecision(entry), state: trust.check(item) };
  });
  const others = entries.filter((entry) => !found.some((row) => isSame(row, entry)));
  return [...found, ...others.map((entry) => toOtherRow(entry, workspace))];
}

/** An agreement about something that was not found among the tools here. */
function toOtherRow(entry: TrustEntry, workspace: string): TrustRow {
  const { kind, name, sha256 } = entry;
  const isHere = entry.workspace === workspace;
  const state = isHere ? (kind === "tool" ? "gone" : "trusted") : "elsewhere";
  return { state, kind, name, sha256, workspace: entry.workspace, ...toDecision(entry) };
}

type ItemName = Pick<TrustEntry, "workspace" | "name"> & { kind: string };

function isSame(one: ItemName, other: ItemName): boolean {
  return one.workspace === other.workspace && one.kind === other.kind && one.name === other.name;
}

function toDecision(entry: TrustEntry | undefined): Pick<TrustRow, "sandboxed" | "decidedAt"> {
  return entry === undefined ? {} : { sandboxed: entry.sandboxed, decidedAt: entry.decidedAt };
}

function toLine({ state, kind, name, sha256, workspace, sandboxed, decidedAt }: TrustRow): string {
  const when = decidedAt === undefined ? "" : `  since ${decidedAt.slice(0, 10)}`;
  const where = sandboxed === false ? "  outside the sandbox" : "";
  const place = state === "elsewhere" ? `  in ${toTerminalLine(workspace)}` : "";
  const what = `${kind} ${toTerminalLine(name)}`.padEnd(32);
  return `${state.padEnd(9)}  ${what}  ${sha256.slice(0, SHORT_HASH)}${when}${where}${place}`;
}

/**
 * Shows each named item whole, or what has changed in it, and trusts it after a yes. Without names: all that are new or changed.
 * Exit code 1 when one of them was not trusted.
 */
export async function addTrust(names: readonly string[], flags: TrustFlags): Promise<number> {
  await using ground = await openTrustGround(flags);
  const wanted = names.length === 0 ? findUndecided(ground) : names.map((name) => findTool(name, ground));
  if (wanted.length === 0) {
    process.stdout.write("Nothing here waits for a decision.\n");
    return 0;
  }
  if (!flags.yes && !(process.stdin.isTTY && process.stdout.isTTY)) {
    throw new AgentError("usage", "There is no terminal to ask on. Read the file, then add `--yes`.");
  }
  await using place = await openPlace(ground, flags);
  let failed = 0;
  for (const file of wanted) if (!(await addTool(file, { ground, flags, place }))) failed += 1;
  return failed === 0 ? 0 : 1;
}

function findUndecided({ workspace, trust, tools }: TrustGround): ToolFile[] {
  return tools.filter((file) => trust.check(toTrustItem(workspace, file)) !== "trusted");
}

function findTool(name: string, { tools, problems }: TrustGround): ToolFile {
  const plain = name.replace(/^tool[: ]/, "").replace(/\.m?js$/, "");
  const found = tools.find((file) => file.name === plain);
  if (found !== undefined) return found;
  const near = problems.find((problem) => problem.includes(plain));
  const why = near ?? "there is no such file in `.lmagent/tools`";
  throw new AgentError("usage", `No tool \`${name}\` can be trusted here: ${why}.`, { data: { name } });
}

interface AddContext {
  ground: TrustGround;
  flags: TrustFlags;
  place: Place;
}

async function addTool(file: ToolFile, { ground, flags, place }: AddContext): Promise<boolean> {
  const { workspace, trust } = ground;
  const { outsideSandbox = false, yes = false } = flags;
  const entry = trust.find(toTrustItem(workspace, file));
  process.stdout.write(await describePending(toPending(file, { entry, trust }), place.label));
  if (yes) refuseSilentRisk(place, ground.settings);
  const interrupt = onInterrupt();
  try {
    const { signal } = interrupt;
    if (!yes && !(await askYes(`Trust ${file.name}?`, { output: process.stdout, signal }))) {
      process.stdout.write(`${file.name} is not trusted.\n`);
      return false;
    }
    const { sandbox } = place;
    const parsed = await trustTool(file, { workspace, sandbox, trust, outsideSandbox, signal });
    if (!parsed.ok) {
      process.stderr.write(`lmagent: ${file.name} is not trusted: ${toTerminalLine(parsed.error)}.\n`);
      return false;
    }
    process.stdout.write(
      `${file.name} is trusted. It says: ${toTerminalLine(parsed.declaration.description)}\n`,
    );
    return true;
  } finally {
    interrupt.dispose();
  }
}

interface Place extends AsyncDisposable {
  sandbox: Parameters<typeof trustTool>[1]["sandbox"];
  /** What it may do there, in words. */
  label: string;
  /** It runs without walls, and the user has not said that it may. */
  isRisky: boolean;
}

async function openPlace({ settings, workspace }: TrustGround, flags: TrustFlags): Promise<Place> {
  if (flags.outsideSandbox) {
    const sandbox = createOutsideSandbox(workspace);
    const label = "outside the sandbox, as you ask for: it can read and change everything you can";
    return { sandbox, label, isRisky: false, [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose]() };
  }
  const own = createWorkspaceSandbox(settings, { root: workspace, mode: () => "normal" });
  const { sandbox } = await own.choose();
  const network = sandbox.network === "bridge" ? "it can reach other machines" : "no network";
  const label = sandbox.isolated
    ? `in the sandbox (${sandbox.backend}): it can read and change the workspace, ${network}`
    : "WITHOUT isolation, since no sandbox works here: it can read and change everything you can";
  return {
    sandbox,
    label,
    isRisky: !sandbox.isolated,
    [Symbol.asyncDispose]: () => own[Symbol.asyncDispose](),
  };
}

function refuseSilentRisk({ isRisky }: Place, { allowUnsandboxed }: Settings): void {
  if (!isRisky || allowUnsandboxed) return;
  throw new AgentError(
    "usage",
    "No sandbox works here, so the tool would run without isolation. Add `--allow-unsandboxed` to accept that.",
  );
}

const LINE_START = "  | ";

/** All that a decision needs: what it is, where it runs, its text or what has changed in it, with every hidden sign made visible. */
export async function describePending(
  { file, name, sha256, state, text, before }: PendingTool,
  place: string,
): Promise<string> {
  const lines = text.split("\n").length;
  const shown = state === "changed" && before !== undefined ? await fileDiff(file, before, text) : text;
  // A line that the terminal breaks would go on at its edge, and look like our own words.
  const columns = Math.max(20, (process.stdout.columns ?? Number.POSITIVE_INFINITY) - LINE_START.length);
  const note = "What was trusted before is not kept; this is the whole text.";
  return [
    "",
    `tool ${name} (${state})  ${file}  sha256 ${sha256.slice(0, SHORT_HASH)}  ${lines} lines, ${Buffer.byteLength(text)} bytes`,
    `It would run ${place}.`,
    ...(state === "changed" && before === undefined ? [note] : []),
    "",
    ...toVisibleText(shown.replaceAll("\r\n", "\n"))
      .trimEnd()
      .split("\n")
      .flatMap((line) => wrapExactly(line, columns))
      .map((line) => LINE_START + line),
    "",
    "",
  ].join("\n");
}

/** `weather`, `tool weather`, `tool:weather`. */
const NAMED_ITEM = new RegExp(`^(?:(${TRUST_KINDS.join("|")})[: ])?(.*)$`, "s");

/** Takes back one agreement of this workspace, or all of them. */
export async function revokeTrust(name: string | undefined, flags: TrustFlags): Promise<number> {
  await using ground = await openTrustGround(flags);
  const { workspace, trust } = ground;
  const [, kind, plain] = NAMED_ITEM.exec(name ?? "") ?? [];
  const revoked = await trust.revoke({
    workspace,
    ...(kind === undefined ? {} : { kind: kind as TrustEntry["kind"] }),
    ...(name === undefined ? {} : { name: (plain as string).replace(/\.m?js$/, "") }),
  });
  if (name !== undefined && revoked.length === 0)
    throw new AgentError(
      "usage",
      `Nothing named \`${name}\` is trusted here. \`lmagent trust list\` shows all.`,
    );
  for (const entry of revoked)
    process.stdout.write(`No longer trusted: ${entry.kind} ${toTerminalLine(entry.name)}\n`);
  await forgetAnswers(revoked, ground.settings);
  if (revoked.length === 0) process.stdout.write("Nothing was trusted here.\n");
  return 0;
}

/** What was answered about calls of a tool goes together with the trust in it. */
async function forgetAnswers(revoked: readonly TrustEntry[], settings: Settings): Promise<void> {
  const tools = revoked.filter(({ kind }) => kind === "tool");
  if (tools.length === 0) return;
  const approvals = openApprovals(settings);
  const { CUSTOM_PREFIX } = await import("../../tools/custom/index.ts");
  const gone = tools.flatMap(({ workspace, name }) =>
    approvals.list(workspace).filter(({ tool }) => tool === CUSTOM_PREFIX + name),
  );
  for (const { id, tool } of gone) {
    await approvals.revoke(id);
    process.stdout.write(`No longer remembered: allow ${toTerminalLine(tool)}\n`);
  }
}
