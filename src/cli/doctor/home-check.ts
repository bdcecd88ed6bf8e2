import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { errnoOf, errorMessage } from "../../core/errors.ts";
import type { DoctorCheck } from "./checks.ts";
import { quoteForShell } from "./quote.ts";

/** More files than this are not looked at one by one. */
const MAX_FILES = 5_000;
const OTHERS = 0o077;

/** The user's own folder: it holds keys and decisions, so nobody else may look into it. */
export async function checkHome(home: string): Promise<readonly DoctorCheck[]> {
  const name = "settings";
  try {
    const stats = lstatSync(home);
    const fault = findFolderFault(home, stats);
    if (fault !== undefined) return [{ name, status: "broken", ...fault }];
    const open = listOpenFiles(home);
    if (open.length === 0) return [{ name, status: "ok", detail: home }];
    const detail = `other users may read ${open.slice(0, 5).join(", ")}${open.length > 5 ? " and more" : ""}`;
    return [{ name, status: "broken", detail, fix: `chmod -R go= ${quoteForShell(home)}` }];
  } catch (error) {
    if (errnoOf(error) === "ENOENT")
      return [{ name, status: "ok", detail: `${home}, made when something is kept there` }];
    return [
      {
        name,
        status: "broken",
        detail: `${home}: ${errorMessage(error)}`,
        fix: `ls -ld ${quoteForShell(home)}`,
      },
    ];
  }
}

function findFolderFault(home: string, stats: Stats): { detail: string; fix: string } | undefined {
  const { mode, uid } = stats;
  const own = process.getuid?.() ?? uid;
  if (!stats.isDirectory())
    return {
      detail: `${home} is no folder`,
      fix: `mv ${quoteForShell(home)} ${quoteForShell(`${home}.old`)}`,
    };
  if (uid !== own)
    return { detail: `${home} belongs to another user`, fix: `sudo chown -R ${own} ${quoteForShell(home)}` };
  if ((mode & OTHERS) !== 0)
    return {
      detail: `other users may look into ${home} (mode ${(mode & 0o777).toString(8)})`,
      fix: `chmod 700 ${quoteForShell(home)}`,
    };
  return undefined;
}

/** Models are no secrets, and what lies in their folder may be many files, or links to anywhere. */
function listOpenFiles(home: string): string[] {
  const found: string[] = [];
  const waiting = [""];
  for (let seen = 0; waiting.length > 0 && seen < MAX_FILES;) {
    const folder = waiting.pop() ?? "";
    for (const entry of readdirSync(join(home, folder), { withFileTypes: true })) {
      const name = join(folder, entry.name);
      seen += 1;
      if (entry.isDirectory() && name !== "models") waiting.push(name);
      const stats = entry.isFile() ? lstatSync(join(home, name), { throwIfNoEntry: false }) : undefined;
      if (stats !== undefined && (stats.mode & OTHERS) !== 0) found.push(name);
    }
  }
  return found;
}
