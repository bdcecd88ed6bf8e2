import { statSync } from "node:fs";

/** The program that `scripts/start-test-docker.sh` has put there; a reason where it was not started. */
export function findTestLlamaServer(): { path: string } | string {
  const path = process.env["LMAGENT_TEST_LLAMA_SERVER"];
  if (!path) return "LMAGENT_TEST_LLAMA_SERVER is not set; `scripts/start-test-docker.sh npm test` sets it";
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? { path } : `\`${path}\` is no file`;
}
