import { errnoOf } from "../core/errors.ts";

/** Whether a process has this number: also one of another user, which may not be signalled. A number may be used again, see `readStart`. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return errnoOf(thrown) === "EPERM";
  }
}
