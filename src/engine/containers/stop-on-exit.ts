/** Containers do not end with the process that started them, so somebody has to end them. */
import { spawnSync } from "node:child_process";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const LAST_MOMENT_MS = 5_000;

export interface StopOnExitOptions {
  stopAll: () => Promise<void>;
  /** Of the containers that run just now. */
  ids: () => readonly string[];
  socketPath: string;
  /** `false`: somebody else ends this process in its own way when it gets a signal. */
  signals: boolean;
}

export function stopOnExit({ stopAll, ids, socketPath, signals }: StopOnExitOptions): Disposable {
  const onSignal = (signal: NodeJS.Signals): void => {
    dispose();
    const again = (): void => void process.kill(process.pid, signal);
    stopAll().then(again, again);
  };
  // Nothing can be waited for any more.
  const onExit = (): void => removeNow(socketPath, ids());
  const dispose = (): void => {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
    process.removeListener("exit", onExit);
  };
  if (signals) for (const signal of SIGNALS) process.once(signal, onSignal);
  process.once("exit", onExit);
  return { [Symbol.dispose]: dispose };
}

/** Another process can ask the engine while this one waits for it. */
const SCRIPT = `
const { request } = require("node:http");
const [socketPath, ...ids] = process.argv.slice(1);
for (const id of ids) {
  const asked = request({ socketPath, method: "DELETE", path: "/containers/" + id + "?force=1&v=1", headers: { host: "docker" } });
  asked.on("error", () => {});
  asked.end();
}`;

function removeNow(socketPath: string, ids: readonly string[]): void {
  if (ids.length === 0) return;
  spawnSync(process.execPath, ["-e", SCRIPT, socketPath, ...ids], {
    stdio: "ignore",
    timeout: LAST_MOMENT_MS,
  });
}
