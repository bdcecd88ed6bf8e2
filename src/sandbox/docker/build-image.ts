/** Makes the image from `docker/sandbox/Dockerfile`, through the engine. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { AgentError, errorMessage } from "../../core/errors.ts";
import { connectEngine } from "./engine.ts";
import { createLineReader } from "../../docker/line-reader.ts";
import { SANDBOX_IMAGE } from "./image.ts";

const DOCKERFILE = "docker/sandbox/Dockerfile";
const BLOCK_BYTES = 512;

export interface BuildImageOptions {
  socketPath: string;
  /** Name of the image to make; default `SANDBOX_IMAGE`. */
  image?: string;
  /** Called with lines of the engine's progress. Must not throw. */
  onProgress?: (text: string) => void;
  /** Arguments of the Dockerfile, such as `BASE`. */
  buildArguments?: Readonly<Record<string, string>>;
  /** Network of the steps; default the engine's own. */
  network?: string;
  signal?: AbortSignal;
}

/** Takes minutes and loads packages from Debian, so it is done only when the user asks. Throws `AgentError` `sandbox_unavailable`. */
export async function buildSandboxImage(options: BuildImageOptions): Promise<void> {
  const { socketPath, image = SANDBOX_IMAGE, onProgress, buildArguments = {}, network, signal } = options;
  const engine = await connectEngine(socketPath);
  const archive = toArchive("Dockerfile", readFileSync(findDockerfile()));
  const stream = await engine.ask({ to: "build an image", deadlineMs: 60_000 }, () =>
    engine.docker.buildImage(archive as unknown as NodeJS.ReadableStream, {
      t: image,
      rm: true,
      forcerm: true,
      buildargs: buildArguments,
      ...(network === undefined ? {} : { networkmode: network }),
    }),
  );
  const failure = await followBuild(stream as Readable, { onProgress, signal });
  if (failure !== undefined) throw engine.fail(`could not build \`${image}\`: ${failure}`);
}

/** Beside `src` or `dist`, whichever this runs from. */
function findDockerfile(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; folder !== dirname(folder); folder = dirname(folder)) {
    const path = join(folder, DOCKERFILE);
    if (existsSync(path)) return path;
  }
  throw new AgentError(
    "file_failed",
    `\`${DOCKERFILE}\` is not part of this installation; install the package again.`,
    { data: { path: DOCKERFILE } },
  );
}

/** A tar archive (POSIX ustar) of one file. */
function toArchive(name: string, contents: Buffer): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`;
  header.write(name, 0);
  header.write(octal(0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(contents.length, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(" ".repeat(8), 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const padding = Buffer.alloc((BLOCK_BYTES - (contents.length % BLOCK_BYTES)) % BLOCK_BYTES);
  return Buffer.concat([header, contents, padding, Buffer.alloc(2 * BLOCK_BYTES)]);
}

interface BuildWatch {
  onProgress: ((text: string) => void) | undefined;
  signal: AbortSignal | undefined;
}

/** Resolves with the reason when the build fails. Closing the connection ends it. */
async function followBuild(
  stream: Readable,
  { onProgress, signal }: BuildWatch,
): Promise<string | undefined> {
  const onAbort = (): void => void stream.destroy(new Error("it was aborted"));
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  let failure: string | undefined;
  const push = createLineReader((line) => {
    const said = parseProgress(line);
    failure ??= said.error;
    if (said.text) onProgress?.(said.text);
  });
  try {
    for await (const chunk of stream) push(String(chunk));
    return failure;
  } catch (thrown) {
    return errorMessage(thrown);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function parseProgress(line: string): { text?: string; error?: string } {
  let said: { stream?: unknown; status?: unknown; error?: unknown } | null;
  try {
    said = JSON.parse(line) as typeof said;
  } catch {
    return {};
  }
  const text = said?.stream ?? said?.status;
  return {
    ...(typeof text === "string" ? { text: text.trimEnd() } : {}),
    ...(typeof said?.error === "string" ? { error: said.error } : {}),
  };
}
