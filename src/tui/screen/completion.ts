import type { AutocompleteItem, AutocompleteProvider, AutocompleteSuggestions } from "@mariozechner/pi-tui";
import { toTerminalLine } from "../terminal-text.ts";
import type { ScreenCommand, ScreenController } from "./controller.ts";

type CompletionSource = Pick<ScreenController, "commands" | "completeFiles">;

const MOST_FILES = 20;

/** Completes commands after `/`, their arguments, and file names after `@`. */
export function createCompletion(source: CompletionSource): AutocompleteProvider {
  return {
    async getSuggestions(lines, cursorLine, cursorCol) {
      const before = (lines[cursorLine] ?? "").slice(0, cursorCol);
      const suggestions = await suggest(before, { source, isFirstLine: cursorLine === 0 });
      return suggestions === undefined || suggestions.items.length === 0 ? null : suggestions;
    },
    applyCompletion(...[lines, cursorLine, cursorCol, item, prefix]) {
      const line = lines[cursorLine] ?? "";
      // The text has moved on since the list was made: take nothing from it.
      if (!line.slice(0, cursorCol).endsWith(prefix)) return { lines, cursorLine, cursorCol };
      const start = cursorCol - prefix.length;
      const completed = line.slice(0, start) + item.value;
      const changed = [...lines];
      changed[cursorLine] = completed + line.slice(cursorCol);
      return { lines: changed, cursorLine, cursorCol: completed.length };
    },
    // Only `@` names files: a plain tab in a sentence completes nothing.
    shouldTriggerFileCompletion: (lines, cursorLine, cursorCol) =>
      toFilePrefix((lines[cursorLine] ?? "").slice(0, cursorCol)) !== undefined,
  };
}

async function suggest(
  before: string,
  { source, isFirstLine }: { source: CompletionSource; isFirstLine: boolean },
): Promise<AutocompleteSuggestions | undefined> {
  const file = toFilePrefix(before);
  if (file !== undefined) {
    const paths = await orNothing(() => source.completeFiles(file.replace(/^"/, "")));
    return { prefix: `@${file}`, items: paths.filter(isShownAsIs).slice(0, MOST_FILES).map(toFileItem) };
  }
  if (!isFirstLine || !before.startsWith("/")) return undefined;
  const { commands } = source;
  const [name = "", ...rest] = before.split(" ");
  if (rest.length === 0)
    return {
      prefix: name,
      items: commands.filter((command) => command.name.startsWith(name)).map(toCommandItem),
    };
  const prefix = rest.join(" ");
  const values = await orNothing(() => commands.find((command) => command.name === name)?.complete?.(prefix));
  return {
    prefix,
    items: values
      .filter((value) => value !== prefix && isShownAsIs(value))
      .map((value) => ({ value, label: toTerminalLine(value) })),
  };
}

/** What is typed after an `@` that begins a word; with the quote that opens it, it may have spaces. */
function toFilePrefix(before: string): string | undefined {
  return /(?:^|\s)@("[^"]*|(?!")\S*)$/.exec(before)?.[1];
}

/** The input is drawn as it is: what would have to be made visible cannot stand in it. */
function isShownAsIs(text: string): boolean {
  return toTerminalLine(text) === text;
}

/** In quotes where a space would end the name. */
function toFileItem(path: string): AutocompleteItem {
  return { value: /\s/.test(path) ? `@"${path}"` : `@${path}`, label: toTerminalLine(path) };
}

function toCommandItem({ name, description }: ScreenCommand): AutocompleteItem {
  return { value: name, label: name, description };
}

/** A completion that fails is no completion: it must not disturb typing. */
async function orNothing(find: () => Promise<readonly string[]> | undefined): Promise<readonly string[]> {
  try {
    return (await find()) ?? [];
  } catch {
    return [];
  }
}
