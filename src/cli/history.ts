import { appendFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const KEPT = 500;

/** What the user typed on the screen, newest last, one JSON string a line. Losing it is no reason to stop. */
export function openHistory(home: string): {
  load(): Promise<readonly string[]>;
  add(text: string): Promise<void>;
} {
  const file = join(home, "history");
  return {
    load: async () => {
      const lines = await readFile(file, "utf8").then(
        (text) => text.split("\n"),
        () => [],
      );
      return lines.slice(-KEPT).flatMap(parseLine);
    },
    add: async (text) => {
      try {
        await mkdir(home, { recursive: true, mode: 0o700 });
        await appendFile(file, `${JSON.stringify(text)}\n`, { mode: 0o600 });
      } catch {
        // A full or read-only disk: the request itself goes on.
      }
    },
  };
}

function parseLine(line: string): string[] {
  try {
    const text: unknown = JSON.parse(line);
    return typeof text === "string" ? [text] : [];
  } catch {
    return [];
  }
}
