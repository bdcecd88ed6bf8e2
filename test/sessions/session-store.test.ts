import { describe, expect, it } from "vitest";
import { createMemorySessionStore } from "../../src/sessions/index.ts";
import { sessionStoreCases } from "../../src/testing/session-store.ts";
import { createClock, createIds, createPlace } from "./_setup.ts";

describe("the store of files", () => {
  it.each(sessionStoreCases)("$name", async ({ run }) => {
    const place = await createPlace();
    await expect(run(place.store)).resolves.toBeUndefined();
  });
});

describe("the store in memory", () => {
  it.each(sessionStoreCases)("$name", async ({ run }) => {
    const store = createMemorySessionStore({ workspace: "/w", now: createClock(), newId: createIds() });
    await expect(run(store)).resolves.toBeUndefined();
  });
});
