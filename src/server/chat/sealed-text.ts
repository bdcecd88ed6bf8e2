/**
 * Thinking as an opaque word for clients that send it back without reading it: OpenAI's `encrypted_content`, Anthropic's `signature`.
 * Nothing is secret here: the thinking is the user's own. It only has to come back whole.
 */
const PREFIX = "lmagent-1.";

export function sealText(text: string): string {
  return PREFIX + Buffer.from(text, "utf8").toString("base64url");
}

/** `undefined` for what another server sealed. */
export function unsealText(sealed: string): string | undefined {
  if (!sealed.startsWith(PREFIX)) return undefined;
  return Buffer.from(sealed.slice(PREFIX.length), "base64url").toString("utf8");
}
