/** A hub with models, and a folder for what comes from it. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fetchModel } from "../../src/engine/download/fetch-model.ts";
import type {
  DownloadEvent,
  FetchedModel,
  FetchModelOptions,
} from "../../src/engine/download/fetch-model.ts";
import type { HubAccess } from "../../src/engine/download/http.ts";
import { parseReference } from "../../src/engine/download/reference.ts";
import { startFakeHub } from "../../src/testing/fake-hub.ts";
import type { FakeHub, FakeHubOptions } from "../../src/testing/fake-hub.ts";
import { PRACTICE_MODEL } from "./_bundle.ts";

export const MEGABYTE = 1_000_000;

/** A model that loads, made longer by bytes that differ everywhere; `sizeBytes` is more than the practice model has. */
export async function makeModel(sizeBytes = 4.5 * MEGABYTE, seed = 1): Promise<Buffer> {
  const model = await readFile(PRACTICE_MODEL);
  const padding = Buffer.alloc(sizeBytes - model.length);
  let state = seed;
  for (let at = 0; at + 4 <= padding.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    padding.writeUInt32LE(state, at);
  }
  return Buffer.concat([model, padding]);
}

export interface Place extends AsyncDisposable {
  hub: FakeHub;
  access: HubAccess;
  home: string;
  folder: string;
  events: DownloadEvent[];
  fetch(
    reference: string,
    options?: Partial<FetchModelOptions> & { quantization?: string },
  ): Promise<FetchedModel>;
  /** What lies in the folder, by path. */
  files(): Promise<string[]>;
}

export async function openPlace(options: FakeHubOptions): Promise<Place> {
  const hub = await startFakeHub(options);
  const home = await mkdtemp(join(tmpdir(), "lmagent-download-"));
  const folder = join(home, "models");
  const access: HubAccess = { endpoint: hub.url, userAgent: "lmagent/1.2.3", silenceMs: 20_000 };
  const events: DownloadEvent[] = [];
  return {
    hub,
    access,
    home,
    folder,
    events,
    fetch: (reference, { quantization, ...more } = {}) =>
      fetchModel(parseReference(reference, { quantization, endpoint: hub.url }), {
        folder,
        access,
        signal: new AbortController().signal,
        onEvent: (event) => void events.push(event),
        retry: { firstPauseMs: 1, tries: 4 },
        ...more,
      }),
    files: async () => {
      const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
      return found
        .filter((entry) => entry.isFile())
        .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
        .sort();
    },
    [Symbol.asyncDispose]: async () => {
      await hub[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}
