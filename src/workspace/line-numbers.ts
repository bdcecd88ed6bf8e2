import type { TextChange } from "../core/workspace.ts";

/** After the number: a separator of a listing, and the text. */
const NUMBERED: readonly RegExp[] = [/^[ \t]*(\d{1,7})(?:: | ?\| |\t|→)(.*)$/, /^[ \t]*(\d{1,7})[:|](.*)$/];

/** Takes off the numbers that a listing put before each line; both readings where a space may belong to the text or not. */
export function withoutLineNumbers(change: TextChange): TextChange[] {
  return NUMBERED.flatMap((form) => {
    const old = stripNumbers(change.old, form);
    return old === undefined ? [] : [{ ...change, old, new: stripNumbers(change.new, form) ?? change.new }];
  });
}

function stripNumbers(text: string, form: RegExp): string | undefined {
  let last = -1;
  const bare: string[] = [];
  for (const line of text.split("\n")) {
    const [, digits, rest] = form.exec(line) ?? /^[ \t]*(\d{1,7})[:|]?()$/.exec(line) ?? [];
    if (digits === undefined && line.trim() !== "") return undefined;
    if (digits !== undefined && Number(digits) <= last) return undefined;
    last = digits === undefined ? last : Number(digits);
    bare.push(rest ?? "");
  }
  return bare.every((line) => line.trim() === "") ? undefined : bare.join("\n");
}
