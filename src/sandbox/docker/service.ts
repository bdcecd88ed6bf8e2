import type { SandboxProcess, SandboxResult } from "../../core/sandbox.ts";
import { withWarnings } from "../git-guard.ts";
import type { SandboxContainer } from "./container.ts";
import { startProgram, type DockerProgram, type ProgramRequest } from "./program.ts";

const KILLED = 137;

/**
 * A program that stays, in a container of its own that goes when the program ends. Throws `AgentError` `sandbox_unavailable`; the
 * container is removed then too. `finish` says what the program did that the user should know of.
 */
export async function startService(
  container: SandboxContainer,
  {
    signal,
    finish,
    ...request
  }: Omit<ProgramRequest, "hasInput"> & { signal?: AbortSignal | undefined; finish: () => readonly string[] },
): Promise<SandboxProcess> {
  const started = performance.now();
  let stopped: SandboxResult["stopped"];
  const stop = (because?: SandboxResult["stopped"]): Promise<void> => {
    stopped ??= because;
    return container.remove();
  };
  container.events.listen(({ type }) => {
    if (type === "memory") void stop("memory");
  });
  const onAbort = (): void => void stop("aborted");
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  const running = await startProgram(container, { ...request, hasInput: true }).catch(
    async (thrown: unknown) => {
      await container.remove();
      throw thrown;
    },
  );
  const ended = running.ended.then(async (code): Promise<SandboxResult> => {
    signal?.removeEventListener("abort", onAbort);
    await container.remove().catch(() => {});
    const exitCode = stopped === undefined ? (code ?? KILLED) : KILLED;
    const durationMs = performance.now() - started;
    return withWarnings({ exitCode, ...(stopped === undefined ? {} : { stopped }), durationMs }, finish());
  });
  return {
    write: (bytes) => writeTo(running, bytes),
    endInput: () => void running.input?.end(),
    ended,
    async [Symbol.asyncDispose]() {
      await stop();
      await ended;
    },
  };
}

/** Resolves with false once the program takes no more. */
function writeTo({ input }: DockerProgram, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    if (input === undefined || !input.writable) return resolve(false);
    const close = (): void => resolve(false);
    input.once("close", close);
    input.write(bytes, (failed) => {
      input.removeListener("close", close);
      resolve(failed === undefined || failed === null);
    });
  });
}
