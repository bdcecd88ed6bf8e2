/** Just enough of git's configuration format (git-config(1), "Syntax") to tell what a file sets. */

export interface GitSetting {
  /** Lower case. */
  section: string;
  /** As written; empty for none. */
  subsection: string;
  /** Lower case. */
  key: string;
  /** `undefined` for a key without `=`. */
  value: string | undefined;
}

/** `undefined` when the text is not in this format: what git would make of it cannot be told. */
export function parseGitConfig(text: string): GitSetting[] | undefined {
  const found: GitSetting[] = [];
  let section: Pick<GitSetting, "section" | "subsection"> | undefined;
  const lines = joinContinued(text.replace(/^\uFEFF/, "").replaceAll("\r\n", "\n"));
  for (const line of lines) {
    let rest = line.trim();
    const header = /^\[([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]/.exec(rest);
    if (header !== null) {
      section = toSection(header[1]!, header[2]);
      rest = rest.slice(header[0].length).trim();
    }
    if (rest === "" || rest.startsWith("#") || rest.startsWith(";")) continue;
    const setting = /^([A-Za-z][\w-]*)\s*(?:=(.*))?$/s.exec(rest.replace(/^([\w-]+)\s*[#;].*$/, "$1"));
    if (section === undefined || setting === null) return undefined;
    const value = setting[2] === undefined ? undefined : toValue(setting[2]);
    found.push({ ...section, key: setting[1]!.toLowerCase(), value });
  }
  return found;
}

/** A backslash at the end of a line goes on with the next. */
function joinContinued(text: string): string[] {
  return text.replaceAll(/((?:^|[^\\])(?:\\\\)*)\\\n/g, "$1").split("\n");
}

/** `[section.Sub]` is an old way of writing a subsection, in lower case. */
function toSection(name: string, subsection: string | undefined): Pick<GitSetting, "section" | "subsection"> {
  const dot = name.indexOf(".");
  if (subsection !== undefined)
    return { section: name.toLowerCase(), subsection: subsection.replaceAll(/\\(.)/g, "$1") };
  if (dot === -1) return { section: name.toLowerCase(), subsection: "" };
  return { section: name.slice(0, dot).toLowerCase(), subsection: name.slice(dot + 1).toLowerCase() };
}

function toValue(written: string): string {
  let value = "";
  let quoted = false;
  for (let at = 0; at < written.length; at += 1) {
    const letter = written[at]!;
    if (letter === "\\") {
      at += 1;
      value += ESCAPES[written[at] ?? ""] ?? written[at] ?? "";
    } else if (letter === '"') quoted = !quoted;
    else if (!quoted && (letter === "#" || letter === ";")) break;
    else value += letter;
  }
  return value.trim();
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", b: "\b" };

/** A file with these settings and nothing else. */
export function toGitConfig(settings: readonly GitSetting[]): string {
  let open = "";
  let text = "";
  for (const { section, subsection, key, value } of settings) {
    const header = subsection === "" ? `[${section}]` : `[${section} "${quote(subsection)}"]`;
    if (header !== open) text += `${header}\n`;
    open = header;
    text += value === undefined ? `\t${key}\n` : `\t${key} = "${quote(value)}"\n`;
  }
  return text;
}

function quote(text: string): string {
  return text.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}
