import type { Redactor } from "../core/redact.ts";
import { createRedactor } from "../core/redact.ts";
import { toObject } from "./json.ts";

/** Headers that carry keys or cookies, in either direction. */
const SECRET_HEADERS: readonly string[] = [
  "authorization",
  "proxy-authorization",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "cookie",
  "set-cookie",
];

const isSecret = (name: string): boolean => SECRET_HEADERS.includes(name.toLowerCase());

/** What takes secrets out of a whole text. */
export type TextRedactor = Pick<Redactor, "text">;

/** Takes out the keys that a request itself carries, which a server may repeat, and then what `redactor` knows. */
export function redactorFor(headers: Readonly<Record<string, string>>, redactor: TextRedactor): TextRedactor {
  const keys = Object.entries(headers)
    .filter(([name]) => isSecret(name))
    .map(([, value]) => value.replace(/^(?:Bearer|Basic|Token)\s+/i, ""));
  const own = createRedactor(keys);
  return { text: (text) => redactor.text(own.text(text)) };
}

/** All but those that carry keys. */
export function redactHeaders(
  headers: Readonly<Record<string, string>>,
  { text }: TextRedactor,
): Record<string, string> {
  const shown = Object.entries(headers).filter(([name]) => !isSecret(name));
  return Object.fromEntries(shown.map(([name, value]) => [name, text(value)]));
}

/**
 * A body without secrets: neither as they stand there, nor spread over the frames of a stream, as a model writes them piece by piece. The
 * very same text when there are none.
 */
export function redactBody(body: string, redactor: TextRedactor): string {
  return redactFrames(redactor.text(body), redactor);
}

interface Piece {
  text: string;
  /** Changes it in its frame. */
  set: (text: string) => void;
}

function redactFrames(body: string, redactor: TextRedactor): string {
  const lines = body.split("\n").map(toFrame);
  const fields = new Map<string, Piece[]>();
  for (const { document } of lines) if (document !== undefined) collect(document, "", fields);
  let found = false;
  for (const pieces of fields.values()) {
    const whole = pieces.map(({ text }) => text).join("");
    const clean = redactor.text(whole);
    if (clean === whole) continue;
    found = true;
    // In one piece, since where it was cut would tell of the secret.
    pieces.forEach(({ set }, at) => set(at === 0 ? clean : ""));
  }
  if (!found) return body;
  return lines
    .map(({ line, lead, document }) => (document === undefined ? line : lead + JSON.stringify(document)))
    .join("\n");
}

/** A line of a stream that holds a document, with what stands before it. */
function toFrame(line: string): { line: string; lead: string; document?: Record<string, unknown> } {
  const lead = /^(?:data:)?\s*/.exec(line)?.[0] ?? "";
  const text = line.slice(lead.length);
  if (!text.startsWith("{")) return { line, lead };
  try {
    return { line, lead, document: JSON.parse(text) as Record<string, unknown> };
  } catch {
    return { line, lead };
  }
}

const MAX_DEPTH = 12;

/** Strings by their place, where calls in a list are told apart by their index. */
function collect(
  container: Record<string, unknown> | unknown[],
  path: string,
  fields: Map<string, Piece[]>,
): void {
  if (path.split("/").length > MAX_DEPTH) return;
  const index = Array.isArray(container) ? undefined : container["index"];
  const place = typeof index === "number" ? `${path}#${index}` : path;
  for (const [key, value] of Object.entries(container)) {
    const at = `${place}/${key}`;
    if (typeof value === "string") {
      const pieces = fields.get(at) ?? [];
      fields.set(at, pieces);
      pieces.push({
        text: value,
        set: (text) => {
          (container as Record<string, unknown>)[key] = text;
        },
      });
    } else if (Array.isArray(value)) collect(value as unknown[], at, fields);
    else if (toObject(value) === value) collect(value as Record<string, unknown>, at, fields);
  }
}
