/**
 * Which sandboxes have passed their test on this machine, so that only the first start pays for it. The file lies in the user's own
 * folder. What cannot be read or is not understood counts as not passed.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The newest; a machine has few that differ. */
const KEPT = 32;
const MAX_FILE_BYTES = 64 * 1024;

export interface PassedTests {
  has(facts: TestFacts): Promise<boolean>;
  /** Does nothing where it cannot be kept: then the test runs again. */
  add(facts: TestFacts): Promise<void>;
}

/** What a passed test depends on. When any of it changes, the test is run again. */
export type TestFacts = Readonly<Record<string, string | number | undefined>>;

/** `stateDir`: the user's own folder; without one nothing is remembered. */
export function openPassedTests(stateDir: string | undefined): PassedTests {
  if (stateDir === undefined) return { has: async () => false, add: async () => {} };
  const folder = join(stateDir, "run");
  const file = join(folder, "sandbox-tests.json");
  return {
    has: async (facts) => (await readKeys(file)).includes(toKey(facts)),
    async add(facts) {
      const key = toKey(facts);
      const keys = [...(await readKeys(file)).filter((each) => each !== key), key].slice(-KEPT);
      const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        await writeFile(temporary, `${JSON.stringify({ passed: keys })}\n`, { mode: 0o600, flag: "wx" });
        await rename(temporary, file);
      } catch {
        await rm(temporary, { force: true }).catch(() => {});
      }
    },
  };
}

function toKey(facts: TestFacts): string {
  const sorted = Object.entries(facts).sort(([one], [other]) => (one < other ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(sorted)).digest("hex");
}

/** A file that others can write has been written by nobody we trust. */
async function readKeys(path: string): Promise<readonly string[]> {
  try {
    const file = await open(path, "r");
    try {
      const { uid, mode, size } = await file.stat();
      if (uid !== (process.getuid?.() ?? uid) || (mode & 0o022) !== 0 || size > MAX_FILE_BYTES) return [];
      const content = JSON.parse(await file.readFile("utf8")) as { passed?: unknown } | null;
      const passed = content?.passed;
      return Array.isArray(passed) ? passed.filter((key): key is string => typeof key === "string") : [];
    } finally {
      await file.close();
    }
  } catch {
    return [];
  }
}
