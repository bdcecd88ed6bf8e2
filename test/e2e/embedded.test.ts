import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPlace, lastEvent, runAgent } from "./_agent.ts";

/** The real thing: command line, loop, our server, llama.cpp and the model that ships with the package. */
const EMBEDDED = { url: "embedded" };

describe("the embedded model", () => {
  it("creates a file with the text it is given", async () => {
    using place = createPlace();
    const run = await runAgent(["Create a file called hello.txt containing hello world"], {
      place,
      ...EMBEDDED,
    });
    expect(run.code, run.stderr).toBe(0);
    expect(readFileSync(join(place.workspace, "hello.txt"), "utf8")).toBe("hello world");
    expect(run.stdout).toContain("hello.txt");
  });

  it("reads a file and says what it holds", async () => {
    using place = createPlace();
    writeFileSync(join(place.workspace, "notes.txt"), "buy green paint");
    const run = await runAgent(["--json", "What is in notes.txt?"], { place, ...EMBEDDED });
    expect(lastEvent(run)).toMatchObject({
      reason: "done",
      text: expect.stringContaining("buy green paint"),
    });
  });

  it("finds which file contains a word", async () => {
    using place = createPlace();
    mkdirSync(join(place.workspace, "docs"));
    writeFileSync(join(place.workspace, "docs/plan.txt"), "the lantern is here\n");
    writeFileSync(join(place.workspace, "other.txt"), "nothing\n");
    const run = await runAgent(["--json", "Which file contains the word lantern?"], { place, ...EMBEDDED });
    expect(lastEvent(run)).toMatchObject({ reason: "done", text: expect.stringContaining("docs/plan.txt") });
  });

  it("goes on in a session that was stored", async () => {
    using place = createPlace();
    await runAgent(["Create a file called one.txt containing first"], { place, ...EMBEDDED });
    const run = await runAgent(["--continue", "--json", "Create a file called two.txt containing second"], {
      place,
      ...EMBEDDED,
    });
    expect(lastEvent(run).reason).toBe("done");
    expect(readFileSync(join(place.workspace, "two.txt"), "utf8")).toBe("second");
  });

  it("says what it is when nobody chose it", async () => {
    using place = createPlace();
    const run = await runAgent(["Create a folder called box"], { place });
    // Another model server on this machine would be chosen instead.
    if (!run.stderr.includes("practice model")) expect(run.stderr).toMatch(/LM Studio|Ollama|llama/i);
    expect(run.code).toBe(0);
  });
});
