/** Keeps known secrets out of everything that commands print, before it is shown, cut, kept on disk or sent anywhere. */
import { NO_REDACTION, type Redactor } from "./redact.ts";
import type { Sandbox, SandboxRunOptions } from "./sandbox.ts";

type OnOutput = NonNullable<SandboxRunOptions["onOutput"]>;

/** The same sandbox, whose output has `[redacted]` in the place of secrets and is otherwise the same bytes. */
export function redactSandbox(sandbox: Sandbox, redactor: Redactor): Sandbox {
  if (redactor === NO_REDACTION) return sandbox;
  return {
    get backend() {
      return sandbox.backend;
    },
    get isolated() {
      return sandbox.isolated;
    },
    get network() {
      return sandbox.network;
    },
    prepare: async () => sandbox.prepare?.(),
    async run(command, options = {}) {
      const output = redactOutput(options.onOutput, redactor);
      try {
        return await sandbox.run(command, { ...options, ...output.options });
      } finally {
        output.end();
      }
    },
    async start(command, options = {}) {
      const output = redactOutput(options.onOutput, redactor);
      const started = await sandbox.start(command, { ...options, ...output.options });
      const ended = started.ended.finally(output.end);
      return {
        write: (bytes) => started.write(bytes),
        endInput: () => started.endInput(),
        ended,
        [Symbol.asyncDispose]: async () => {
          await started[Symbol.asyncDispose]();
          await ended;
        },
      };
    },
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

function redactOutput(
  onOutput: OnOutput | undefined,
  redactor: Redactor,
): { options: Pick<SandboxRunOptions, "onOutput">; end: () => void } {
  if (onOutput === undefined) return { options: {}, end: () => {} };
  const streams = { stdout: redactor.stream(), stderr: redactor.stream() };
  const give = (text: string, stream: "stdout" | "stderr"): void => {
    if (text !== "") onOutput(toBytes(text), stream);
  };
  return {
    options: { onOutput: (chunk, stream) => give(streams[stream].push(toText(chunk)), stream) },
    end: () => {
      give(streams.stdout.end(), "stdout");
      give(streams.stderr.end(), "stderr");
    },
  };
}

/** Most arguments of one call of a function. */
const SLICE = 8_192;

/** One character a byte, so that bytes that are no text come through unchanged. */
function toText(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += SLICE)
    text += String.fromCharCode(...bytes.subarray(at, at + SLICE));
  return text;
}

function toBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}
