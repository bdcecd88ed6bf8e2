import { spawn, type ChildProcess } from "node:child_process";

/**
 * A small process that outlives us: a script for `sh`, whose input ends when this process does, however that ends. It does not keep
 * this process alive. Where it cannot be started nothing happens: without a watch everything else still works.
 */
export function spawnWatcher(script: string): ChildProcess {
  const watcher = spawn("/bin/sh", ["-c", script], {
    cwd: "/",
    env: { PATH: "/usr/bin:/bin" },
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  watcher.on("error", () => {});
  watcher.stdin?.on("error", () => {});
  watcher.unref();
  (watcher.stdin as { unref?: () => void } | null)?.unref?.();
  return watcher;
}
