import { copyFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createPlace, runAgent, type Place } from "./_agent.ts";

const PRACTICE = resolve(import.meta.dirname, "../../practice-model/practice.gguf");

let place: Place;
beforeEach(() => {
  place = createPlace();
});
afterEach(() => place[Symbol.dispose]());

function addModel(folder: string): void {
  const path = join(folder, "acme", "Tiny-Tools-GGUF");
  mkdirSync(path, { recursive: true });
  copyFileSync(PRACTICE, join(path, "tiny-tools-Q8_0.gguf"));
}

const readyModel = async (...flags: string[]): Promise<string | undefined> => {
  // No other server that may run on this machine.
  const run = await runAgent(["--json", "--base-url", "embedded", ...flags, "List the files"], { place });
  const ready = run.events.find(({ type }) => type === "model_ready");
  return ready?.type === "model_ready" ? ready.model.id : run.stderr;
};

describe("a model on this machine", () => {
  it("is run without being named, before the practice model", async () => {
    expect(await readyModel()).toBe("lmagent-practice");
    addModel(join(place.home, "models"));
    expect(await readyModel()).toBe("tiny-tools-Q8_0");
    expect(await readyModel("--model", "lmagent-practice")).toBe("lmagent-practice");
  });

  it("is found by its name in the folder of LM Studio", async () => {
    addModel(join(place.home, "..", ".lmstudio", "models"));
    expect(await readyModel("--model", "tiny-tools")).toBe("tiny-tools-Q8_0");
    expect(await readyModel("--model", "acme/Tiny-Tools-GGUF")).toBe("tiny-tools-Q8_0");
    expect(await readyModel("--model", "no-such")).toContain("There is no model `no-such` on this machine");
  });
});
