/** Which port of this machine a container gets. */
import { createServer } from "node:net";
import { engineFailed } from "../engine-failure.ts";
import { findFreePort } from "../llama-server/host.ts";

export interface PortWish {
  /** This one and no other. */
  port?: number;
  /** This one when it is free. */
  usualPort?: number;
  /** Given to other containers already. */
  taken: ReadonlySet<number>;
  log: (line: string) => void;
}

/** Throws `engine_failed` `load_failed` when the port that was asked for is taken. */
export async function choosePort({ port, usualPort, taken, log }: PortWish): Promise<number> {
  if (port !== undefined) {
    if (!taken.has(port) && (await isFree(port))) return port;
    throw engineFailed(
      "load_failed",
      `The port ${port} is taken by another program; end it (\`ss -ltnp sport = :${port}\` names it) or ask for another port.`,
      { port },
    );
  }
  if (usualPort !== undefined && !taken.has(usualPort) && (await isFree(usualPort))) return usualPort;
  const free = await findFreePort();
  if (usualPort !== undefined) log(`the port ${usualPort} is taken; the container gets ${free}`);
  return taken.has(free) ? choosePort({ taken, log }) : free;
}

/** Also one that somebody holds on all interfaces is taken. */
async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, "127.0.0.1")) && (await canListen(port, "0.0.0.0"));
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
