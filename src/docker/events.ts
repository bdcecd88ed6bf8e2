import type { Readable } from "node:stream";
import type { DockerEngine } from "./engine.ts";
import { createLineReader } from "./line-reader.ts";

/** `memory`: the kernel ended a process because of the memory limit. `command_ended`: a process that was started in it has ended. */
export type ContainerEvent =
  | { type: "memory" }
  | { type: "ended" }
  | { type: "command_ended"; execId: string };

export interface ContainerEvents {
  /** False once nothing is reported any more, because the engine was started again for example. */
  isOpen(): boolean;
  /** Returns the way to stop listening. */
  listen(listener: (event: ContainerEvent) => void): () => void;
  close(): void;
}

/** What the engine reports of one container from now on. */
export async function watchContainer(engine: DockerEngine, id: string): Promise<ContainerEvents> {
  const filters = { container: [id], event: ["oom", "die", "exec_die"] };
  const stream = (await engine.ask({ to: "report events" }, () =>
    engine.docker.getEvents({ filters }),
  )) as Readable & { socket?: { unref(): void } };
  stream.socket?.unref();
  const listeners = new Set<(event: ContainerEvent) => void>();
  const push = createLineReader((line) => {
    const event = parseEvent(line);
    if (event !== undefined) for (const listener of listeners) listener(event);
  });
  stream.on("data", (chunk: Buffer) => push(chunk.toString()));
  // Seen by `isOpen`.
  stream.on("error", () => {});
  return {
    isOpen: () => !stream.destroyed && !stream.readableEnded,
    listen(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      listeners.clear();
      stream.destroy();
    },
  };
}

function parseEvent(line: string): ContainerEvent | undefined {
  let said: { Action?: unknown; Actor?: { Attributes?: { execID?: unknown } | null } | null } | null;
  try {
    said = JSON.parse(line) as typeof said;
  } catch {
    return undefined;
  }
  const action = String(said?.Action);
  if (action === "oom") return { type: "memory" };
  if (action === "die") return { type: "ended" };
  if (action !== "exec_die") return undefined;
  return { type: "command_ended", execId: String(said?.Actor?.Attributes?.execID) };
}
