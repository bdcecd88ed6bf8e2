/** `lmagent models get REFERENCE`, also `lmagent download`: a model from Hugging Face or from an address. */
import { join } from "node:path";
import { AgentError } from "../../core/errors.ts";
import { createDownloadView } from "../download-view.ts";
import { EXIT_INTERRUPTED } from "../exit-code.ts";
import { onInterrupt } from "../interrupt.ts";
import { packageVersion } from "../package-root.ts";
import { readSettings } from "../settings.ts";

export interface DownloadFlags {
  quant?: string;
  sha256?: string;
  json?: boolean;
}

/** The path of the model goes to standard output, all else to standard error. Throws `AgentError` `download_failed`. */
export async function downloadModel(reference: string, flags: DownloadFlags): Promise<number> {
  const { home, userHome } = await readSettings({}, process.env, process.cwd());
  const sha256 = toSha256(flags.sha256);
  const { parseReference } = await import("../../engine/download/reference.ts");
  const { readHubAccess } = await import("../../engine/download/hub-access.ts");
  const { fetchModel } = await import("../../engine/download/fetch-model.ts");
  const access = await readHubAccess({ env: process.env, userHome, version: packageVersion() });
  const parsed = parseReference(reference, { quantization: flags.quant, endpoint: access.endpoint });
  const { stdout, stderr } = process;
  const view = createDownloadView({ stdout, stderr, json: flags.json === true });
  const interrupt = onInterrupt();
  try {
    const model = await fetchModel(parsed, {
      folder: join(home, "models"),
      access,
      sha256,
      signal: interrupt.signal,
      onEvent: (event) => view.show(event),
    });
    view.finish(model);
    return 0;
  } catch (thrown) {
    view.clear();
    if (!interrupt.signal.aborted) throw thrown;
    view.stop(toCommand(reference, flags));
    return EXIT_INTERRUPTED;
  } finally {
    interrupt.dispose();
  }
}

function toSha256(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const hash = value
    .trim()
    .replace(/^sha256:/i, "")
    .toLowerCase();
  if (/^[0-9a-f]{64}$/.test(hash)) return hash;
  throw new AgentError(
    "usage",
    `\`--sha256\` is \`${value.slice(0, 100)}\`; it has to be 64 hexadecimal digits.`,
    {
      data: { flag: "--sha256" },
    },
  );
}

/** What a shell would take apart is put in quotes. */
function toCommand(reference: string, { quant, sha256 }: DownloadFlags): string {
  const quote = (text: string): string =>
    /^[\w@:./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const flags = [
    ...(quant === undefined ? [] : ["--quant", quote(quant)]),
    ...(sha256 === undefined ? [] : ["--sha256", quote(sha256)]),
  ];
  return ["lmagent models get", quote(reference), ...flags].join(" ");
}
