import { readLooseJson } from "./loose-json.ts";

export type CallArguments =
  | {
      arguments: Readonly<Record<string, unknown>>;
      /** Why this is not plain JSON of an object. */ rescued?: string;
    }
  | { problem: string };

export interface CallArgumentsOptions {
  /** The writer got to the end by itself, so a missing last bracket is a slip and not a cut. */
  complete: boolean;
}

/** How often arguments may have been encoded as a string inside a string. */
const MAX_ENCODINGS = 3;

/** Reads the arguments of a call as models write them. Never invents content: what was cut off is a problem. */
export function parseCallArguments(written: unknown, options: CallArgumentsOptions): CallArguments {
  let value = written;
  let rescued: string | undefined = typeof written === "string" ? undefined : "object arguments";
  for (let round = 0; typeof value === "string" && round < MAX_ENCODINGS; round += 1) {
    const parsed = parseText(value, options);
    if ("problem" in parsed) return parsed;
    if (round > 0) rescued = "double-encoded arguments";
    if (parsed.repaired) rescued ??= "repaired JSON";
    value = parsed.value;
  }
  if (value === null || value === undefined) value = {};
  if (Array.isArray(value) && value.length === 1) [value] = value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { problem: "The arguments are not a JSON object. Send an object with the parameters as keys." };
  }
  const found = value as Record<string, unknown>;
  return rescued === undefined ? { arguments: found } : { arguments: found, rescued };
}

function parseText(
  text: string,
  { complete }: CallArgumentsOptions,
): { value: unknown; repaired: boolean } | { problem: string } {
  if (text.trim() === "") return { value: {}, repaired: false };
  try {
    return { value: JSON.parse(text), repaired: false };
  } catch {
    // Not strict JSON: read it as what it was meant to be.
  }
  const bare = stripFence(text);
  const loose = readLooseJson(bare, { closeOpen: complete });
  if (!loose.ok)
    return {
      problem: `The arguments are not valid JSON: ${loose.problem}. Send the call again with valid JSON.`,
    };
  const rest = bare.slice(loose.end).trim();
  if (!/^[}\]]*$/.test(rest)) {
    const shown = rest.length > 40 ? `${rest.slice(0, 40)}…` : rest;
    return {
      problem: `The arguments are not valid JSON: \`${shown}\` follows the object. Send one JSON object.`,
    };
  }
  return { value: loose.value, repaired: true };
}

function stripFence(text: string): string {
  const fenced = /^\s*```\w*\s*\n([\s\S]*?)\n?\s*```\s*$/.exec(text);
  return fenced?.[1] ?? text;
}
