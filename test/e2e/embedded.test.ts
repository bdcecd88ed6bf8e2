import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createPlace, lastEvent, runAgent } from "./_agent.ts";

/** The real thing: command line, loop, our server, llama.cpp and the model that ships with the package. */
const EMBEDDED = { url: "embedded" };

const otherServer = await isServerRunning();

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

  it.skipIf(otherServer)("is chosen when nothing else answers, and says what it is", async () => {
    using place = createPlace();
    const run = await runAgent(["Create a folder called box"], { place });
    expect(run.stderr).toMatch(/practice model[^]*--base-url/);
    expect(run.code).toBe(0);
  });
});

/** On a machine with a model server of its own that one would be chosen. */
async function isServerRunning(): Promise<boolean> {
  const ports = [1234, 11_434, 8_080, 8_000];
  const found = await Promise.all(ports.map(isOpen));
  if (found.includes(true)) process.stderr.write("skipped: a model server runs on this machine\n");
  return found.includes(true);
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const finish = (open: boolean): void => {
      socket.destroy();
      done(open);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}
