import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuditRecord } from "../../src/core/audit.ts";
import { createAuditLog, type AuditLogOptions } from "../../src/permissions/audit-log.ts";

const RECORD: AuditRecord = {
  type: "decided",
  callId: "c1",
  tool: "shell",
  digest: "ab".repeat(32),
  mode: "normal",
  decision: "run",
  by: "person",
  why: "it can change something",
};

let folder: string;
let file: string;
let problems: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "audit-"));
  file = join(folder, "logs", "audit.jsonl");
  problems = [];
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open(options: Partial<AuditLogOptions> = {}) {
  return createAuditLog({
    file,
    sessionId: "4f3a2b",
    now: () => new Date("2026-01-02T03:04:05Z"),
    onProblem: (problem) => problems.push(problem),
    ...options,
  });
}

const lines = (path = file): unknown[] =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);

const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe("the audit log", () => {
  it("has one line a record, with when and in which session, readable by its user only", async () => {
    await using audit = open();
    audit(RECORD);
    audit({ ...RECORD, type: "ended", ok: true, sandbox: "bubblewrap", exitCode: 0 });
    const head = { at: "2026-01-02T03:04:05.000Z", session: "4f3a2b" };
    expect(lines()).toEqual([
      { ...head, ...RECORD },
      { ...head, ...RECORD, type: "ended", ok: true, sandbox: "bubblewrap", exitCode: 0 },
    ]);
    expect(modeOf(file)).toBe(0o600);
    expect(modeOf(join(folder, "logs"))).toBe(0o700);
  });

  it("touches nothing before the first record", async () => {
    await using _ = open();
    expect(() => statSync(join(folder, "logs"))).toThrow("ENOENT");
  });

  it("goes on with what is there and takes it out of others' sight", async () => {
    mkdirSync(join(folder, "logs"));
    writeFileSync(file, '{"older":true}\n');
    chmodSync(file, 0o644);
    await using audit = open();
    audit(RECORD);
    expect(lines()).toHaveLength(2);
    expect(modeOf(file)).toBe(0o600);
  });

  it("keeps a record on one line of plain letters, whatever its texts hold", async () => {
    await using audit = open();
    audit({ ...RECORD, why: 'a\n{"type":"ended"}\u001b[2J\u202e\u2028', tool: "x".repeat(50_000) });
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(/^[ -~]+\n$/);
    expect(text.length).toBeLessThan(4_000);
    expect(lines()).toMatchObject([{ why: 'a\n{"type":"ended"}\u001b[2J\u202e\u2028' }]);
  });

  it("begins a new file at its limit and keeps one older", async () => {
    await using audit = open({ maxBytes: 1_000 });
    for (let call = 0; call < 40; call += 1) audit({ ...RECORD, callId: `c${call}` });
    expect(statSync(file).size).toBeLessThan(1_400);
    const kept = [...lines(`${file}.1`), ...lines()] as AuditRecord[];
    expect(kept.at(-1)?.callId).toBe("c39");
    const first = 40 - kept.length;
    expect(kept.map(({ callId }) => callId)).toEqual(kept.map((_, index) => `c${first + index}`));
    expect(() => statSync(`${file}.lock`)).toThrow("ENOENT");
  });

  it("follows when another agent begins a new file, and when somebody removes it", async () => {
    await using one = open({ maxBytes: 600 });
    await using two = open({ maxBytes: 600, sessionId: "other" });
    for (let call = 0; call < 10; call += 1) {
      one(RECORD);
      two(RECORD);
    }
    expect(lines().at(-1)).toMatchObject({ session: "other" });
    rmSync(file);
    one(RECORD);
    expect(lines()).toHaveLength(1);
    expect(problems).toEqual([]);
  });

  it("is shared by processes that write at once, without a torn line", async () => {
    const script = `
      import { createAuditLog } from ${JSON.stringify(new URL("../../src/permissions/audit-log.ts", import.meta.url).href)};
      const audit = createAuditLog({ file: process.argv[1], sessionId: process.argv[2], now: () => new Date(), maxBytes: 40_000 });
      for (let call = 0; call < 300; call += 1) audit({ type: "decided", callId: String(call), tool: "t", digest: "d", mode: "auto" });
    `;
    const agents = ["a", "b"].map((name) =>
      spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script, file, name]),
    );
    const codes = await Promise.all(agents.map(async (agent) => (await once(agent, "exit"))[0] as number));
    expect(codes).toEqual([0, 0]);
    for (const line of [...lines(), ...lines(`${file}.1`)]) expect(line).toMatchObject({ type: "decided" });
  });

  it.each([
    ["a link", () => symlinkSync(join(folder, "elsewhere"), file)],
    ["a folder", () => mkdirSync(file)],
  ])("is not written through %s: said once, and nothing is thrown", async (_name, plant) => {
    mkdirSync(join(folder, "logs"));
    plant();
    await using audit = open();
    audit(RECORD);
    audit(RECORD);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(file);
    expect(() => statSync(join(folder, "elsewhere"))).toThrow("ENOENT");
  });

  it("works again once it can be written", async () => {
    writeFileSync(join(folder, "logs"), "in the way");
    await using audit = open();
    audit(RECORD);
    rmSync(join(folder, "logs"));
    audit(RECORD);
    expect(problems).toHaveLength(1);
    expect(lines()).toHaveLength(1);
  });
});
