import { execFileSync } from "node:child_process";

/** Each project calls this, from a module of its own; the process is one. */
const shared = globalThis as typeof globalThis & { lmagentBundle?: "made" };

/** The tests run what users run, so the bundle is made from the sources first. */
export default function setup(): void {
  if (shared.lmagentBundle === "made") return;
  execFileSync(process.execPath, ["scripts/bundle.mjs"], { stdio: "inherit" });
  shared.lmagentBundle = "made";
}
