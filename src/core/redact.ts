/** Keeps secrets that we know (keys, tokens) out of what tools say: out of the model's sight, the screen, the events and the session. */
export interface Redactor {
  text(text: string): string;
  /** For text that comes in pieces: a secret may be cut in two. Nothing of a secret comes out before it is known to be none. */
  stream(): RedactedStream;
}

export interface RedactedStream {
  push(piece: string): string;
  /** What was still held back. */
  end(): string;
}
