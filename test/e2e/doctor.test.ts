import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startScriptedServer } from "../../src/testing/index.ts";
import type { DoctorCheck } from "../../src/cli/doctor/checks.ts";
import { createPlace, runAgent, type Place } from "./_agent.ts";

interface Findings {
  code: number;
  ok: boolean;
  checks: Record<string, DoctorCheck>;
}

async function examine(
  place: Place,
  { args = [], env = {}, url }: { args?: string[]; env?: Record<string, string>; url?: string } = {},
): Promise<Findings> {
  const { code, stdout, stderr } = await runAgent(["doctor", "--json", ...args], {
    place,
    ...(url === undefined ? {} : { url }),
    env: { DOCKER_HOST: "unix:///nowhere.sock", ...env },
  });
  expect(stderr).toBe("");
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: DoctorCheck[] };
  return { code, ok, checks: Object.fromEntries(checks.map((check) => [check.name, check])) };
}

/** What the user would type. */
function repair(check: DoctorCheck | undefined): void {
  execFileSync("sh", ["-c", check?.fix ?? "false"]);
}

describe("lmagent doctor", () => {
  it("looks at everything an agent needs and agrees with its exit code", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([]);
    const { code, ok, checks } = await examine(place, { url: server.url });
    expect(Object.keys(checks)).toEqual(
      expect.arrayContaining(["Node", "settings", "workspace", "sandbox", "model"]),
    );
    expect(checks["Node"]).toMatchObject({ status: "ok", detail: process.versions.node });
    expect(checks["model"]).toMatchObject({
      status: "ok",
      detail: expect.stringContaining(server.url) as string,
    });
    expect(code).toBe(ok ? 0 : 1);
    expect(ok).toBe(Object.values(checks).every(({ status }) => status !== "broken"));
  });

  it("prints a line for each, with the command that repairs a fault", async () => {
    using place = createPlace();
    mkdirSync(place.home, { mode: 0o755 });
    const { stdout, code } = await runAgent(["doctor"], { place, url: "http://127.0.0.1:9" });
    expect(stdout).toMatch(/^ok +Node /m);
    expect(stdout).toMatch(new RegExp(`^BROKEN +settings .*\\n +→ chmod 700 ${place.home}$`, "m"));
    expect(code).toBe(1);
  });

  it.each(["home", "it's a home"])(
    "repairs a settings folder that others may look into: %j",
    async (name) => {
      using base = createPlace();
      const place = { ...base, home: join(base.home, "..", name) };
      mkdirSync(place.home);
      chmodSync(place.home, 0o755);
      const before = await examine(place, { url: "http://127.0.0.1:9" });
      expect(before.checks["settings"]).toMatchObject({
        status: "broken",
        detail: expect.stringContaining("mode 755") as string,
      });
      repair(before.checks["settings"]);
      writeFileSync(join(place.home, ".env"), "LLM_API_KEY=secret\n", { mode: 0o644 });
      chmodSync(join(place.home, ".env"), 0o644);
      const between = await examine(place, { url: "http://127.0.0.1:9" });
      expect(between.checks["settings"]).toMatchObject({
        status: "broken",
        detail: expect.stringContaining(".env") as string,
      });
      repair(between.checks["settings"]);
      expect((await examine(place, { url: "http://127.0.0.1:9" })).checks["settings"]?.status).toBe("ok");
    },
  );

  it("finds nothing wrong in a settings folder that an agent has made", async () => {
    using place = createPlace();
    await runAgent(["sandbox", "status"], { place });
    expect((await examine(place, { url: "http://127.0.0.1:9" })).checks["settings"]?.status).toBe("ok");
  });

  it("names a server that does not answer", async () => {
    using place = createPlace();
    const { code, checks } = await examine(place, { url: "http://127.0.0.1:9" });
    expect(checks["model"]).toMatchObject({
      status: "broken",
      detail: expect.stringContaining("127.0.0.1:9") as string,
    });
    expect(checks["model"]?.fix).toContain("lmagent doctor");
    expect(code).toBe(1);
  });

  it("starts no model of its own", async () => {
    using place = createPlace();
    const { checks } = await examine(place, { args: ["--base-url", "embedded"] });
    expect(checks["model"]).toMatchObject({
      status: "ok",
      detail: expect.stringContaining("practice.gguf") as string,
    });
    const missing = await examine(place, { args: ["--model", "nowhere.gguf"] });
    expect(missing.checks["model"]).toMatchObject({
      status: "broken",
      detail: expect.stringContaining("nowhere.gguf") as string,
    });
  });

  it("names rules, answers and agreements that cannot be relied on", async () => {
    using place = createPlace();
    mkdirSync(place.home, { mode: 0o700 });
    for (const [name, text] of [
      ["permissions.yaml", "rules: [{tool: shell, decision: perhaps}]"],
      ["approvals.json", "{"],
      ["trust.json", "[]"],
    ] as const)
      writeFileSync(join(place.home, name), text, { mode: 0o600 });
    const { checks } = await examine(place, { url: "http://127.0.0.1:9" });
    for (const [name, file] of [
      ["rules", "permissions.yaml"],
      ["answers", "approvals.json"],
      ["trust", "trust.json"],
    ] as const)
      expect(checks[name]).toMatchObject({
        status: "broken",
        detail: expect.stringContaining(file) as string,
      });
  });

  it("names a workspace that cannot be one, and goes on", async () => {
    using place = createPlace();
    const { code, checks } = await examine(place, { args: ["--workspace", "/"], url: "http://127.0.0.1:9" });
    expect(checks["workspace"]?.status).toBe("broken");
    expect(checks["sandbox"]).toBeUndefined();
    expect(code).toBe(1);
  });

  it("says that a wanted sandbox is not there", async () => {
    using place = createPlace();
    const { checks } = await examine(place, {
      env: { LMAGENT_SANDBOX: "docker" },
      url: "http://127.0.0.1:9",
    });
    expect(checks["sandbox"]).toMatchObject({
      status: "broken",
      detail: expect.stringContaining("/nowhere.sock") as string,
    });
    expect(checks["sandbox"]?.fix).toBeDefined();
  });
});
