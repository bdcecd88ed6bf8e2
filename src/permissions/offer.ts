/** What an answer may be remembered for: never for more than a user would expect from what was shown. */
import type { RememberedCalls } from "../core/approval.ts";
import type { ShellLine } from "../core/shell-line.ts";
import { programName } from "../core/shell-runners.ts";
import { isRiskyPrefix } from "./rule-match.ts";
import { coversLine, isInterpreter, needsCommand } from "./shell-cover.ts";

/** With other arguments they do something else altogether. */
const NEVER: ReadonlySet<string> = new Set(
  (
    "rm rmdir mv cp dd chmod chown chgrp ln truncate shred tee install kill pkill killall mount umount curl wget ssh scp rsync nc " +
    "docker podman kubectl systemctl reboot shutdown crontab make-kpkg passwd useradd usermod find sed tar unlink fallocate mkfs"
  ).split(" "),
);
/** `npm run` alone would be every script there is. */
const THREE_WORDS =
  /^(?:npm|pnpm|yarn|bun) (?:run|run-script|exec|x|dlx)$|^(?:uv|poetry|bundle|pipx|go|cargo|dotnet|hatch) (?:run|exec)$/;
const PLAIN_WORD = /^[A-Za-z0-9][\w:.@/+-]*$/;
const OPTION = /^--?[A-Za-z][\w-]*$/;

/** The first words of the one command of a line: `npm test`, `npm run build`, `git commit`. */
export function toOfferedPrefix(line: ShellLine): RememberedCalls | undefined {
  const [part] = line.parts;
  if (!line.understood || part === undefined || line.parts.length > 1) return undefined;
  const words = part.argv.map(({ text }) => text);
  const [program = "", second] = words;
  if (!PLAIN_WORD.test(program) || isInterpreter(program) || NEVER.has(programName(program)))
    return undefined;
  if (second !== undefined && !PLAIN_WORD.test(second)) {
    // An option alone, as in `tsc --noEmit`; with more after it, nobody can tell what belongs to what.
    if (needsCommand(program) || words.length > 2 || !OPTION.test(second)) return undefined;
  }
  const prefix = words.slice(0, THREE_WORDS.test(words.slice(0, 2).join(" ")) ? 3 : 2);
  if (THREE_WORDS.test(prefix.join(" ")) || isRiskyPrefix(prefix)) return undefined;
  return coversLine([prefix], line) ? { tool: "shell", prefix } : undefined;
}
