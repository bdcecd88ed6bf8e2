import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createRedactor } from "../../src/core/redact.ts";
import { redactSandbox } from "../../src/core/redact-sandbox.ts";
import type { Sandbox, SandboxRunOptions } from "../../src/core/sandbox.ts";
import { createProcessSandbox } from "../../src/sandbox/process.ts";

const SECRET = "s3cret-größe/1";

let workspace: string;
let sandbox: Sandbox;
beforeEach(() => {
  workspace = mkdtempSync(join(tmpdir(), "redact-"));
  sandbox = redactSandbox(createProcessSandbox({ workspaceRoot: workspace }), createRedactor([SECRET]));
});
afterEach(async () => {
  await sandbox[Symbol.asyncDispose]();
  rmSync(workspace, { recursive: true, force: true });
});

function collect(): { options: SandboxRunOptions; bytes: (stream: string) => Buffer } {
  const chunks: Record<string, Buffer[]> = { stdout: [], stderr: [] };
  return {
    options: {
      env: { IT: SECRET },
      onOutput: (chunk, stream) => void chunks[stream]?.push(Buffer.from(chunk)),
    },
    bytes: (stream) => Buffer.concat(chunks[stream] ?? []),
  };
}

describe("a command in a sandbox that hides secrets", () => {
  it("prints them nowhere, in any form and in any pieces", async () => {
    const { options, bytes } = collect();
    const result = await sandbox.run(
      'echo "a $IT b"; printf %s "$IT" | base64; printf %s "$IT" | od -An -tx1; echo "$IT" >&2; ' +
        'printf xs3cret; sleep 0.1; printf %s "${IT#s3cret}"; exit 3',
      options,
    );
    expect(result.exitCode).toBe(3);
    expect(bytes("stderr").toString()).toBe("[redacted]\n");
    expect(bytes("stdout").toString()).toMatch(
      /^a \[redacted\] b\n\[redacted\]\S{0,4}\n \[redacted\]\nx\[redacted\]$/,
    );
  });

  it("prints everything else as the same bytes, to the last one", async () => {
    const { options, bytes } = collect();
    await sandbox.run(
      "printf '\\000\\377\\303\\050s3cret-gr\\303'; head -c 300000 /dev/zero | tr '\\000' '\\201'; printf s3cre",
      options,
    );
    const expected = Buffer.concat([
      Buffer.from([0, 0xff, 0xc3, 0x28]),
      Buffer.from("s3cret-gr"),
      Buffer.from([0xc3]),
      Buffer.alloc(300_000, 0x81),
      Buffer.from("s3cre"),
    ]);
    expect(bytes("stdout").equals(expected)).toBe(true);
  });

  it("is the sandbox itself when there is nothing to hide", () => {
    expect(redactSandbox(sandbox, createRedactor([]))).toBe(sandbox);
  });

  it("says what the sandbox says about itself", () => {
    expect(sandbox).toMatchObject({ backend: "process", isolated: false });
  });
});
