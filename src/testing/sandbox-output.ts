import type { Sandbox, SandboxResult, SandboxRunOptions } from "../core/sandbox.ts";

export interface SandboxOutput extends SandboxResult {
  stdout: string;
  stderr: string;
  bytes: Buffer;
}

/** Runs a command and keeps all it writes; for outputs that are known to be short. */
export async function runAndCollect(
  sandbox: Sandbox,
  command: string | readonly string[],
  options?: SandboxRunOptions,
): Promise<SandboxOutput> {
  const chunks: { stream: "stdout" | "stderr"; chunk: Uint8Array }[] = [];
  const result = await sandbox.run(command, {
    ...options,
    onOutput(chunk, stream) {
      chunks.push({ stream, chunk: Uint8Array.from(chunk) });
      options?.onOutput?.(chunk, stream);
    },
  });
  const join = (only: "stdout" | "stderr"): Buffer =>
    Buffer.concat(chunks.flatMap(({ stream, chunk }) => (stream === only ? [chunk] : [])));
  return {
    ...result,
    stdout: join("stdout").toString(),
    stderr: join("stderr").toString(),
    bytes: join("stdout"),
  };
}
