import type { TextSearch } from "../core/workspace.ts";

/** Collects matching lines up to a number of bytes. */
export interface Report {
  /** Takes a line of ripgrep's output; false when the report is full. */
  add(line: string, names: ReadonlyMap<string, string>): boolean;
  separate(): void;
  stop(): void;
  isFull(): boolean;
  result(stopped: boolean): TextSearch;
}

export function createReport(maxBytes: number): Report {
  const lines: string[] = [];
  const files = new Set<string>();
  let bytes = 0;
  let matches = 0;
  let full = false;
  const put = (line: string): boolean => {
    const size = Buffer.byteLength(line) + 1;
    if (bytes + size > maxBytes) full = true;
    if (full) return false;
    bytes += size;
    lines.push(line);
    return true;
  };
  return {
    add(line, names) {
      const [, name = "", number, kind, text] = /^([^\0]*)\0(\d+)([:-])(.*)$/.exec(line) ?? [];
      const path = names.get(name);
      if (line === "--") return lines.length === 0 || put("--");
      if (path === undefined) return putBinary(line, names, put);
      if (!put(`${path}${kind}${number}${kind}${text?.replace(/\r$/, "")}`)) return false;
      if (kind === ":") matches += 1;
      files.add(path);
      return true;
    },
    separate: () => void (lines.length > 0 && lines.at(-1) !== "--" && put("--")),
    stop: () => void (full = true),
    isFull: () => full,
    result(stopped) {
      if (lines.at(-1) === "--") lines.pop();
      return { text: lines.join("\n"), files: files.size, matches, truncated: full || stopped };
    },
  };
}

function putBinary(
  line: string,
  names: ReadonlyMap<string, string>,
  put: (line: string) => boolean,
): boolean {
  const [, name = ""] = /^(.*?):? binary file matches/i.exec(line) ?? [];
  const path = names.get(name.replace(/\0$/, ""));
  return path === undefined || put(`${path}: binary file matches`);
}
