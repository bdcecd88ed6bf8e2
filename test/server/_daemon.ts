/** A daemon in the background, as the command line starts it, in a home of its own. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureDaemon, findDaemon } from "../../src/server/daemon/client.ts";
import type { DaemonClient } from "../../src/server/daemon/client.ts";
import type { DaemonSettings, DaemonStatus, HttpSettings } from "../../src/server/daemon/settings.ts";
import { ENTRIES, PRACTICE_MODEL } from "../engine/_bundle.ts";
import { hasEnded } from "./_agent.ts";

export const HTTP: HttpSettings = {
  port: 0,
  bind: "127.0.0.1",
  cors: false,
  keyHashes: [],
  allowUnauthenticated: false,
};

export type PublicStatus = NonNullable<DaemonStatus["server"]>;

export interface TestDaemon {
  home: string;
  settings: DaemonSettings;
  /** Path of the built server. */
  entry: string;
  start(overrides?: Partial<DaemonSettings>): Promise<DaemonClient>;
  serve(client: DaemonClient, http?: Partial<HttpSettings>): Promise<PublicStatus>;
  /** Ends the daemon and removes its home. */
  close(): Promise<void>;
}

export async function createTestDaemon(): Promise<TestDaemon> {
  const { server: entry, engineChild } = ENTRIES;
  const home = await mkdtemp(join(tmpdir(), "lmagent-daemon-"));
  const settings: DaemonSettings = {
    home,
    userHome: home,
    version: "1.2.3",
    engineChild,
    packageModel: PRACTICE_MODEL,
    untilServerStops: false,
    runtime: { ttlMs: null, jit: true, threads: 1, backends: ["embedded"], reasoningField: "content" },
    modelEnv: {},
  };
  return {
    home,
    settings,
    entry,
    start: async (overrides = {}) =>
      (await ensureDaemon({ ...settings, ...overrides }, { entry, env: process.env })).client,
    serve: (client, http = {}) => client.ask<PublicStatus>("/control/server/start", { ...HTTP, ...http }),
    close: async () => {
      const client = await findDaemon(home);
      if (client !== undefined) {
        await client.ask("/control/down", {});
        if (!(await hasEnded(client.run.pid, 10_000))) process.kill(client.run.pid, "SIGKILL");
      }
      await rm(home, { recursive: true, force: true });
    },
  };
}
