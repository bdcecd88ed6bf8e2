import { setTimeout as delay } from "node:timers/promises";
import { isAlive } from "../processes/is-alive.ts";

const END_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** Whether the process with this number ended in time. */
export async function waitForEnd(pid: number): Promise<boolean> {
  for (const end = Date.now() + END_TIMEOUT_MS; Date.now() < end; await delay(POLL_MS)) {
    if (!isAlive(pid)) return true;
  }
  return false;
}
