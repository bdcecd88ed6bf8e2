import { accessSync, constants, realpathSync, statSync } from "node:fs";
import { dirname, relative } from "node:path";

const TRUSTED_FOLDERS = ["/usr/bin", "/bin", "/usr/local/bin"] as const;

/**
 * Absolute path of a program that the host itself runs. Only folders of the system are looked at, never `PATH`, and
 * never a file that lies in the workspace or that just anybody could have written: a planted program must not run outside the sandbox.
 */
export function findTrustedBinary(name: string, workspaceRoot: string): string | undefined {
  for (const folder of TRUSTED_FOLDERS) {
    const real = toRunnable(`${folder}/${name}`);
    if (real !== undefined && !isInside(workspaceRoot, real)) return real;
  }
  return undefined;
}

function toRunnable(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    accessSync(real, constants.X_OK);
    const stats = statSync(real);
    const isOpenToAll = ((stats.mode | statSync(dirname(real)).mode) & constants.S_IWOTH) !== 0;
    return stats.isFile() && !isOpenToAll ? real : undefined;
  } catch {
    return undefined;
  }
}

export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === "" || (way !== ".." && !way.startsWith("../"));
}
