/** From tokens to the text of a reply: whole characters, past the stop strings, with the grammar switched where it has to be. */
import { createGrammarWatch } from "./grammar-watch.ts";
import type { GrammarStep } from "./grammar-watch.ts";
import type { Token } from "./llama-addon.ts";
import type { GenerateRequest, StopReason, TokenChance, TokenLogprob } from "../protocol.ts";
import type { Chance, Sampled } from "./sampler.ts";
import { createStopScanner } from "../stop-scanner.ts";
import { createTextDecoder } from "./text-decoder.ts";
import type { TokenBytes } from "./token-bytes.ts";

export interface ReplyWriterOptions {
  bytesOf: TokenBytes;
  /** A text from the middle of another. */
  tokenizePiece: (text: string) => Token[];
}

export interface Written {
  text: string;
  logprobs?: readonly TokenLogprob[];
  /** Why the reply ends here. */
  stopped?: { reason: StopReason; stopString?: string };
  /** What is evaluated next, where that is not just the token that was given. */
  tokens?: readonly Token[];
  /** The grammar from here on. */
  grammar?: { gbnf: string | undefined };
}

export interface ReplyWriter {
  /** Rules the first token. */
  readonly grammar: string | undefined;
  push(sampled: Sampled): Written;
  flush(): Written;
}

export function createReplyWriter(
  request: Pick<GenerateRequest, "grammar" | "stop">,
  { bytesOf, tokenizePiece }: ReplyWriterOptions,
): ReplyWriter {
  const decoder = createTextDecoder(bytesOf);
  const stops = createStopScanner(request.stop);
  const watch = createGrammarWatch(request.grammar ?? {});
  const single = request.grammar?.calls?.single ?? false;
  const ledger = createLedger(bytesOf);

  const cut = (decoded: string, step: GrammarStep): { piece: string; tokens?: readonly Token[] } => {
    if (step.excess === 0) return { piece: decoded };
    // The token reaches beyond the tag: put the part up to the tag in its place and let the grammar write the rest.
    const piece = decoded.slice(0, decoded.length - step.excess);
    return { piece, tokens: tokenizePiece(piece) };
  };

  return {
    grammar: watch.start,
    push: (sampled) => {
      const decoded = decoder.push(sampled.token);
      const step = watch.push(decoded);
      const { piece, tokens } =
        step === undefined ? { piece: decoded, tokens: undefined } : cut(decoded, step);
      ledger.add(sampled, piece.length);
      const { text, stopped } = stops.push(piece);
      if (stopped !== undefined)
        return { ...ledger.take(text), stopped: { reason: "stop_string", stopString: stopped } };
      if (step?.callClosed === true && single)
        return { ...ledger.take(text + stops.flush()), stopped: { reason: "call_complete" } };
      const written = ledger.take(text);
      if (step === undefined) return written;
      return { ...written, grammar: { gbnf: step.gbnf }, ...(tokens === undefined ? {} : { tokens }) };
    },
    flush: () => {
      const { text, stopped } = stops.push(decoder.flush());
      return ledger.takeAll(stopped === undefined ? text + stops.flush() : text);
    },
  };
}

/** Keeps the tokens' chances until their text is shown. */
function createLedger(bytesOf: TokenBytes) {
  const waiting: { logprob: TokenLogprob; end: number }[] = [];
  let written = 0;
  let shown = 0;
  const toText = (text: string, count: number): { text: string; logprobs?: readonly TokenLogprob[] } =>
    count === 0 ? { text } : { text, logprobs: waiting.splice(0, count).map(({ logprob }) => logprob) };

  return {
    add: ({ token, chances }: Sampled, length: number): void => {
      written += length;
      if (chances === undefined) return;
      const top = chances.top.map((chance) => toChance(chance, bytesOf));
      const logprob = { ...toChance({ token, logprob: chances.logprob }, bytesOf), top };
      waiting.push({ logprob, end: written });
    },
    take: (text: string) => {
      shown += text.length;
      const late = waiting.findIndex(({ end }) => end > shown);
      return toText(text, text === "" ? 0 : late < 0 ? waiting.length : late);
    },
    takeAll: (text: string) => toText(text, waiting.length),
  };
}

function toChance({ token, logprob }: Chance, bytesOf: TokenBytes): TokenChance {
  const bytes = bytesOf(token);
  // What can never come has no logarithm that JSON could carry.
  const finite = Number.isFinite(logprob) ? logprob : -9999;
  return { token: Buffer.from(bytes).toString("utf8"), logprob: finite, bytes: [...bytes] };
}
