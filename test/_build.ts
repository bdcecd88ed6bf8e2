import { execFileSync } from "node:child_process";

/** The end-to-end tests run what users run, so the bundle is made from the sources first. */
export default function setup(): void {
  execFileSync(process.execPath, ["scripts/bundle.mjs"], { stdio: "inherit" });
}
