/** Which files of a repository make up the model that was asked for. */
import { quantizationOfName } from "../gguf/quantization.ts";
import { parsePartName } from "../gguf/split.ts";
import { downloadFailed } from "./failure.ts";
import { baseName, isSafePath } from "./file-name.ts";

export interface HubFile {
  /** Inside the repository. */
  path: string;
  sizeBytes: number;
  /** Hexadecimal; absent for small files, which the hub keeps otherwise. */
  sha256?: string;
}

export interface FileWish {
  repo: string;
  file?: string | undefined;
  quantization?: string | undefined;
}

/**
 * Good answers for their size first, then larger ones, then those that lose too much; the ones for training last. `MXFP4` is what models
 * were trained in that come in it, so it comes early.
 */
const ORDER = (
  "Q4_K_M MXFP4 MXFP4_MOE Q4_K_L Q4_K_XL Q4_K_S Q5_K_M IQ4_XS IQ4_NL Q4_0 Q4_1 Q5_K_S Q5_K_L Q5_K_XL Q5_0 Q5_1 Q6_K Q6_K_L Q6_K_XL Q8_0 " +
  "Q8_K_XL Q3_K_L Q3_K_XL Q3_K_M IQ3_M Q3_K_S IQ3_S IQ3_XS IQ3_XXS Q2_K_L Q2_K_XL Q2_K IQ2_M IQ2_S IQ2_XS IQ2_XXS BF16 F16 F32"
).split(" ");
const PROJECTOR_ORDER = ["F16", "BF16", "Q8_0", "F32"];
const PART = /-(\d{5})-of-(\d{5})\.gguf$/i;

/** The model, its parts in order, and then its projector where it has one. Throws `AgentError` `download_failed`. */
export function chooseFiles(files: readonly HubFile[], wish: FileWish): HubFile[] {
  const ggufs = files.filter(({ path }) => /\.gguf$/i.test(path) && isSafePath(path));
  const projectors = ggufs.filter(({ path }) => isProjector(path));
  const models = ggufs.filter(({ path }) => !isProjector(path) && !/imatrix/i.test(baseName(path)));
  if (wish.file !== undefined) {
    const chosen = ggufs.find(({ path }) => path === wish.file);
    if (chosen === undefined) throw noSuchFile(wish, models);
    if (isProjector(chosen.path)) return [chosen];
    return [...withParts(chosen, ggufs, wish), ...chooseProjector(projectors)];
  }
  if (models.length === 0) throw noModels(wish);
  return [...withParts(chooseModel(models, wish), ggufs, wish), ...chooseProjector(projectors)];
}

/** In capitals, without the mark of who made it; of `UD-Q4_K_XL` `Q4_K_XL`. */
function quantizationOf(path: string): string | undefined {
  return quantizationOfName(baseName(path))
    ?.toUpperCase()
    .replace(/^UD-/, "")
    .replace(/^FP(?=\d)/, "F");
}

function chooseModel(models: readonly HubFile[], wish: FileWish): HubFile {
  const firsts = models.filter(({ path }) => (PART.exec(path)?.[1] ?? "00001") === "00001");
  const known = firsts.map((file) => ({ file, quantization: quantizationOf(file.path) }));
  if (wish.quantization !== undefined) {
    const wanted = wish.quantization.toUpperCase();
    const exact = known.find(({ file }) => hasWord(file.path, wanted));
    const same = exact ?? known.find(({ quantization }) => quantization === wanted.replace(/^UD-/, ""));
    if (same !== undefined) return same.file;
    throw noSuchFile(wish, models);
  }
  for (const wanted of ORDER) {
    const found = known.find(({ quantization }) => quantization === wanted);
    if (found !== undefined) return found.file;
  }
  const [only, ...others] = firsts;
  if (only !== undefined && others.length === 0) return only;
  throw noSuchFile(wish, models);
}

/** The quantization stands for itself in the name: `Q4_K` is none of `Q4_K_M`. */
function hasWord(path: string, word: string): boolean {
  const name = baseName(path)
    .replace(/\.gguf$/i, "")
    .toUpperCase();
  const at = name.lastIndexOf(word);
  if (at < 0) return false;
  return !/\w/.test(name[at - 1] ?? "") && !/\w/.test(name[at + word.length] ?? "");
}

function withParts(chosen: HubFile, files: readonly HubFile[], { repo }: FileWish): HubFile[] {
  const [ending = "", , total = "0"] = PART.exec(chosen.path) ?? [];
  // Numbers that cannot be are part of a name like any other.
  if (parsePartName(chosen.path) === undefined) return [chosen];
  const stem = chosen.path.slice(0, -ending.length);
  return Array.from({ length: Number(total) }, (_, index) => {
    const path = `${stem}-${String(index + 1).padStart(5, "0")}-of-${total}.gguf`;
    const part = files.find((file) => file.path.toLowerCase() === path.toLowerCase());
    if (part !== undefined) return part;
    const message = `\`${repo}\` has only some of the ${Number(total)} parts of \`${baseName(chosen.path)}\`: \`${baseName(path)}\` is missing. Choose another quantization, or another repository.`;
    throw downloadFailed(message, { reference: repo });
  });
}

function isProjector(path: string): boolean {
  return /mmproj/i.test(baseName(path));
}

function chooseProjector(projectors: readonly HubFile[]): HubFile[] {
  const rank = ({ path }: HubFile): number => {
    const at = PROJECTOR_ORDER.indexOf(quantizationOf(path) ?? "");
    return at < 0 ? PROJECTOR_ORDER.length : at;
  };
  return projectors.toSorted((a, b) => rank(a) - rank(b)).slice(0, 1);
}

function noSuchFile({ repo, file, quantization }: FileWish, models: readonly HubFile[]): Error {
  const quantizations = new Set(
    models.map(({ path }) => quantizationOf(path)).filter((one) => one !== undefined),
  );
  const names = models.map(({ path }) => path);
  const [there, way] =
    file === undefined && quantizations.size > 0
      ? [[...quantizations], `\`${repo}@QUANTIZATION\``]
      : [names, `\`${repo}/FILE\``];
  const wanted = file ?? quantization;
  const what = wanted === undefined ? `\`${repo}\` has several models` : `\`${repo}\` has no \`${wanted}\``;
  const list = there.slice(0, 30).join(", ") + (there.length > 30 ? " …" : "");
  return downloadFailed(`${what}. There is: ${list || "no .gguf file"}. Name one: ${way}.`, {
    reference: repo,
  });
}

function noModels({ repo }: FileWish): Error {
  const name = repo.split("/")[1] ?? repo;
  const message = `\`${repo}\` has no .gguf file. Models for llama.cpp are often in a repository of their own: look for \`${name}-GGUF\`.`;
  return downloadFailed(message, { reference: repo });
}
