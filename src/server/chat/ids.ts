/** Ids that clients get to see. */
import { randomBytes } from "node:crypto";

/** Letters and digits only: some chat templates accept nothing else. */
export function randomId(length: number): string {
  let id = "";
  while (id.length < length)
    id += randomBytes(length)
      .toString("base64")
      .replaceAll(/[^a-zA-Z0-9]/g, "");
  return id.slice(0, length);
}

/** `short`: nine letters or digits and nothing else, as Mistral's templates want them back. */
export function createCallId({ short }: { short: boolean }): string {
  return short ? randomId(9) : `call_${randomId(24)}`;
}
