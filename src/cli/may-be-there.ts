import { lstatSync } from "node:fs";

/** One look. What cannot be looked at may be there: whoever reads it says what is wrong. */
export function mayBeThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}
