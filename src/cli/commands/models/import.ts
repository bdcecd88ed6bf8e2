import { lstat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { AgentError } from "../../../core/errors.ts";
import { modelsFolder } from "../../../engine/catalog/local-catalog.ts";
import { quantizationOfName } from "../../../engine/gguf/quantization.ts";
import { readModelShape } from "../../../engine/gguf/shape.ts";
import type { ModelShape } from "../../../engine/gguf/shape.ts";
import { parsePartName, partPaths } from "../../../engine/gguf/split.ts";
import { formatBytes } from "../../../tui/format.ts";
import { toTerminalLine } from "../../../tui/terminal-text.ts";
import { askYes } from "../../ask-yes.ts";
import { onInterrupt } from "../../interrupt.ts";
import { openModels } from "./open-models.ts";
import { placeFiles } from "./place-files.ts";
import type { PlaceHow } from "./place-files.ts";

export interface ImportFlags {
  userRepo?: string;
  copy?: boolean;
  hardLink?: boolean;
  symbolicLink?: boolean;
  /** The default. */
  move?: boolean;
  dryRun?: boolean;
  yes?: boolean;
}

const VERBS: Readonly<Record<PlaceHow, string>> = {
  move: "Move",
  copy: "Copy",
  hardLink: "Link (hard)",
  symbolicLink: "Link",
};
const PUBLISHER = "local";

/** Takes a file into our own folder and prints where it lies then. Exit code 1 when the user does not want it. */
export async function importModel(file: string, flags: ImportFlags): Promise<number> {
  const how = toHow(flags);
  const { home } = await openModels();
  const source = resolve(file);
  const shape = await readModelShape(source);
  const folder = join(modelsFolder(home), ...toPublisherAndRepo(flags.userRepo, { source, shape }));
  const files = partPaths(source).map((from) => ({ from, to: join(folder, toFileName(from)) }));
  for (const { to } of files) await requireFree(to);
  const [first = { from: source, to: "" }] = files;
  const what = `${VERBS[how]} ${first.from} to ${first.to} (${formatBytes(shape.fileBytes)}${files.length > 1 ? `, ${files.length} parts` : ""})`;
  if (flags.dryRun === true) {
    process.stdout.write(`${toTerminalLine(what)}\n`);
    return 0;
  }
  const interrupt = onInterrupt();
  try {
    // The other ways leave the file where it is.
    if (how === "move" && flags.yes !== true && !(await isWanted(what, interrupt.signal))) return 1;
    await placeFiles(files, { how, bytes: shape.fileBytes, folder, signal: interrupt.signal });
  } finally {
    interrupt.dispose();
  }
  process.stdout.write(`${toTerminalLine(first.to)}\n`);
  return 0;
}

function toHow(flags: ImportFlags): PlaceHow {
  const asked = (["copy", "hardLink", "symbolicLink", "move"] as const).filter((how) => flags[how] === true);
  if (asked.length <= 1) return asked[0] ?? "move";
  throw new AgentError("usage", "Say only one of `--copy`, `--hard-link`, `--symbolic-link` and `--move`.");
}

function toPublisherAndRepo(
  given: string | undefined,
  { source, shape }: { source: string; shape: ModelShape },
): readonly [string, string] {
  if (given === undefined) return [PUBLISHER, toRepo(source, shape)];
  const [publisher = "", repo = "", ...rest] = given.split("/");
  if (rest.length === 0 && isName(publisher) && isName(repo)) return [publisher, repo];
  throw new AgentError(
    "usage",
    `\`--user-repo\` is \`${given}\`, but must be like \`publisher/repository\`.`,
    {
      data: { flag: "user-repo" },
    },
  );
}

/** As Hugging Face allows them; never a folder above or a hidden one. */
function isName(text: string): boolean {
  return /^[A-Za-z0-9_][\w.-]{0,95}$/.test(text);
}

/** The file's name without the quantization. */
function toRepo(source: string, { name = "" }: ModelShape): string {
  const stem = parsePartName(source)?.stem ?? basename(source).replace(/\.gguf$/i, "");
  const quantization = quantizationOfName(stem);
  const at = quantization === undefined ? -1 : stem.toUpperCase().lastIndexOf(quantization);
  const plain = (at > 0 ? stem.slice(0, at) : stem).replace(/[-._]+$/, "");
  const words = (plain === "" || plain.startsWith("sha256-") ? name : plain).replace(/[^\w.-]+/g, "-");
  const repo = words.replace(/^[^A-Za-z0-9_]+/, "").slice(0, 96);
  return repo === "" ? "model" : repo;
}

/** Blobs of Ollama have no ending. */
function toFileName(path: string): string {
  return /\.gguf$/i.test(path) ? basename(path) : `${basename(path)}.gguf`;
}

async function requireFree(path: string): Promise<void> {
  const before = await lstat(path).catch(() => undefined);
  if (before === undefined) return;
  throw new AgentError(
    "file_failed",
    `\`${path}\` is there already. Remove it first, or say another place with \`--user-repo\`.`,
    { data: { path } },
  );
}

async function isWanted(what: string, signal: AbortSignal): Promise<boolean> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY)
    throw new AgentError(
      "usage",
      "There is nobody to ask. `--yes` moves the file without a question, `--copy` leaves it where it is.",
    );
  stderr.write(`${toTerminalLine(what)}\n`);
  return askYes("Do that?", { output: stderr, signal });
}
