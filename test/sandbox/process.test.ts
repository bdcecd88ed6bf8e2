import { chown } from "node:fs/promises";
import { describe, it } from "vitest";
import { createProcessSandbox } from "../../src/sandbox/index.ts";
import { describeSandbox } from "../../src/testing/sandbox.ts";

/** No user of this machine; only its number matters. */
const ORDINARY_USER = 54_321;

const open = (workspaceRoot: string) => createProcessSandbox({ workspaceRoot });

describe("as the user who runs the agent", () => {
  describeSandbox("process", { isolated: false, open }, { describe, it });
});

describe.runIf(process.getuid?.() === 0)("as the owner of the workspace", () => {
  const prepareWorkspace = (path: string) => chown(path, ORDINARY_USER, ORDINARY_USER);
  describeSandbox("process", { isolated: false, open, prepareWorkspace }, { describe, it });
});
