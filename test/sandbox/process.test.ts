import { describe, it } from "vitest";
import { createProcessSandbox } from "../../src/sandbox/index.ts";
import { describeSandbox } from "../../src/testing/sandbox.ts";

describeSandbox(
  "process",
  { isolated: false, open: (workspaceRoot) => createProcessSandbox({ workspaceRoot }) },
  { describe, it },
);
