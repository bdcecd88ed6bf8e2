import { toTerminalText } from "../terminal-text.ts";

/** Bracketed paste, as xterm sends it (XTerm Control Sequences, "Bracketed Paste Mode"). */
const START = "\u001b[200~";
const END = "\u001b[201~";

/**
 * What was pasted, made visible: the input draws it as it is, and what nobody sees in a copied text may be meant for the model.
 * `undefined` when `data` is no paste, or one that has nothing of the kind.
 */
export function toSafePaste(data: string): { data: string } | undefined {
  if (!data.startsWith(START) || !data.endsWith(END)) return undefined;
  const pasted = data.slice(START.length, -END.length);
  const safe = toTerminalText(pasted);
  return safe === pasted ? undefined : { data: START + safe + END };
}
