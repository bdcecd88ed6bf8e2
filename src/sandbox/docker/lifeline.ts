/** The connection to the first process of a container: its input, which it lives by, and its output, on which it tells that it has done its work. */
import type { Duplex } from "node:stream";
import type { Container } from "dockerode";
import type { DockerEngine } from "../../docker/engine.ts";
import { unrefStream } from "../../docker/stream.ts";

export interface Lifeline {
  /** Resolves when the first process says something, or has ended. Never rejects. */
  next(): Promise<void>;
  /** The container ends, whatever runs in it. */
  cut(): void;
}

/** Call it before the container is started. It does not keep this process alive. Throws `AgentError` `sandbox_unavailable`. */
export async function attachLifeline(engine: DockerEngine, handle: Container): Promise<Lifeline> {
  const stream = (await engine.ask({ to: "attach to a container" }, () =>
    handle.attach({ stream: true, stdin: true, stdout: true, hijack: true }),
  )) as Duplex;
  const waiting = new Set<() => void>();
  let ended = false;
  const wake = (): void => {
    for (const each of waiting) each();
    waiting.clear();
  };
  const end = (): void => {
    ended = true;
    wake();
  };
  // What it says does not matter: only one thing makes it say something.
  stream.on("data", wake);
  stream.on("error", end);
  stream.once("end", end);
  stream.once("close", end);
  unrefStream(stream);
  return {
    next: () =>
      new Promise((resolve) => {
        if (ended) resolve();
        else waiting.add(resolve);
      }),
    cut: () => void stream.destroy(),
  };
}
