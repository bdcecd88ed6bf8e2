import type { ChildProcess } from "node:child_process";
import { spawnWatcher } from "../processes/spawn-watcher.ts";

/**
 * Waits for its input to end, which happens when the agent ends, however it ends. Then ends the groups of processes that were still
 * running, and removes the folder. Only words of the shell itself, so that nothing has to be found or loaded in between.
 */
const SCRIPT = `
read -r folder
groups=' '
while read -r verb group; do
  case $verb in
    add) groups="$groups$group " ;;
    drop) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
rm -rf -- "$folder"`;

export interface GroupWatch {
  /** Starts the watch unless it runs already. `folder` is removed when the agent is gone. */
  start(folder: string): void;
  /** A group of processes, by the id of its first, that must not outlive the agent. */
  add(group: number): void;
  drop(group: number): void;
  /** Call it when nothing runs any more. */
  stop(): void;
}

/** A small process that ends the commands of an agent that was killed, where processes cannot be told by their environment. */
export function createGroupWatch(): GroupWatch {
  let watcher: ChildProcess | undefined;
  const tell = (line: string): void => void watcher?.stdin?.write(`${line}\n`);
  return {
    start(folder) {
      if (watcher !== undefined) return;
      watcher = spawnWatcher(SCRIPT);
      tell(folder);
    },
    add: (group) => tell(`add ${group}`),
    drop: (group) => tell(`drop ${group}`),
    stop() {
      watcher?.kill("SIGKILL");
      watcher = undefined;
    },
  };
}
