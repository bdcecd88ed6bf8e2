import type { ChildProcess } from "node:child_process";
import { spawnWatcher } from "../processes/spawn-watcher.ts";

/**
 * Waits for its input to end, which happens when the agent ends, however it ends. Then, for a while because something may
 * just be starting, kills whatever carries the mark. The mark comes through the input so as not to be in its own arguments.
 */
const SCRIPT = `
read -r mark
read -r folder
read -r _
for round in 1 2 3 4 5 6 7 8; do
  grep -lsF -e "$mark" /proc/[0-9]*/environ /proc/[0-9]*/cmdline | while read -r file; do
    pid=\${file#/proc/}
    kill -KILL "\${pid%%/*}"
  done
  sleep 0.1
done 2>/dev/null
if [ -n "$folder" ]; then rm -rf -- "$folder"; fi`;

export interface DeathWatch {
  /** Starts the watch unless it runs already. Does nothing where there is no `/proc`. `folder` is removed in the end. */
  start(folder?: string): void;
  /** Call it when no command runs any more. */
  stop(): void;
}

/**
 * A small process that outlives the agent by a second and ends its commands when the agent itself cannot, because it was
 * killed. Bubblewrap alone does not do that for a command that is just starting. `mark` has to be in the environment or in the
 * arguments of what is to be ended.
 */
export function createDeathWatch(mark: string): DeathWatch {
  let watcher: ChildProcess | undefined;
  return {
    start(folder = "") {
      if (watcher !== undefined || process.platform !== "linux") return;
      watcher = spawnWatcher(SCRIPT);
      watcher.stdin?.write(`${mark}\n${folder}\n`);
    },
    stop() {
      watcher?.kill("SIGKILL");
      watcher = undefined;
    },
  };
}
