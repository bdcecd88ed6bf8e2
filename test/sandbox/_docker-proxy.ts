import { createConnection, createServer, type Socket } from "node:net";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A socket of our own before that of an engine. */
export interface DockerProxy extends AsyncDisposable {
  readonly socketPath: string;
  /** From now on nothing is passed on, in either direction, while connections stay open. */
  freeze(): void;
}

export interface ProxyOptions {
  /** Passes nothing on that asks for the connection to be handed over, as some that imitate Docker do not do that. */
  withoutUpgrade?: boolean;
}

export async function startDockerProxy(
  target: string,
  { withoutUpgrade = false }: ProxyOptions = {},
): Promise<DockerProxy> {
  const sockets = new Set<Socket>();
  let frozen = false;
  const served = await serveSocket((client) => {
    const engine = createConnection(target);
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {});
      from.on("data", (chunk: Buffer) => {
        const isRequest = withoutUpgrade && from === client;
        if (!frozen) to.write(isRequest ? withoutUpgradeHeaders(chunk) : chunk);
      });
      from.on("close", () => to.destroy());
    }
  });
  return {
    socketPath: served.socketPath,
    freeze: () => void (frozen = true),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await served[Symbol.asyncDispose]();
    },
  };
}

function withoutUpgradeHeaders(chunk: Buffer): Buffer {
  const text = chunk.toString("latin1").replace(/^Connection: Upgrade\r\nUpgrade: tcp\r\n/m, "");
  return Buffer.from(text, "latin1");
}

/** A server on a new socket, in a folder that goes with it. */
export async function serveSocket(
  onConnection: (socket: Socket) => void,
): Promise<AsyncDisposable & { socketPath: string }> {
  const folder = await mkdtemp(join(await realpath(tmpdir()), "lmagent-socket-"));
  const socketPath = join(folder, "docker.sock");
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(socketPath, resolve);
  });
  return {
    socketPath,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
}
