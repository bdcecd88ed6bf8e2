import { describe, it } from "vitest";
import { createMemorySessionStore } from "../../src/sessions/index.ts";
import { describeSessionStore } from "../../src/testing/session-store.ts";
import { createClock, createIds, createPlace } from "./_setup.ts";

describeSessionStore("of files", async () => (await createPlace()).store, { describe, it });
describeSessionStore(
  "in memory",
  () => createMemorySessionStore({ workspace: "/w", now: createClock(), newId: createIds() }),
  { describe, it },
);
