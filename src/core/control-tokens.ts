/**
 * Chat templates mark roles with control tokens, and a server that finds one in the text of a file or a web page takes it for the end
 * of that text. Such a token gets a backslash after its first character: visible, and no token any more. Only exact tokens of known
 * templates are touched: ChatML, Llama 2 to 4, Mistral, Gemma, Phi, DeepSeek, Qwen, GLM, Cohere, gpt-oss.
 */
const REST = [
  String.raw`\|\w{1,40}\|>`,
  // Gemma 4.
  String.raw`\|(?:turn|channel|tool|tool_call|tool_response)>`,
  String.raw`(?:turn|channel|tool|tool_call|tool_response)\|>`,
  // DeepSeek: fullwidth bars.
  String.raw`｜[\w▁ -]{1,40}｜>`,
  String.raw`(?:start|end)_of_(?:turn|image)>`,
  String.raw`(?:/?s|bos|eos|pad|unk|sop|eop)>`,
  String.raw`/?tool_response>`,
  String.raw`</?SYS>>`,
].join("|");
const BRACKETED = String.raw`/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|gMASK)\]`;

/** First character, backslashes, the rest. */
const toPattern = (backslashes: string): RegExp =>
  new RegExp(String.raw`(<)(${backslashes})(${REST})|(\[)(${backslashes})(${BRACKETED})`, "g");
const BARE = toPattern("");
const BARE_OR_ESCAPED = toPattern(String.raw`\\*`);
const ESCAPED = toPattern(String.raw`\\+`);

/** Breaks every control token; a token that is broken already stays as it is. */
export function breakControlTokens(text: string): string {
  return replace(text, BARE, () => "\\");
}

/** The same so that `unescapeControlTokens` gives the text back, whatever it was. */
export function escapeControlTokens(text: string): string {
  return replace(text, BARE_OR_ESCAPED, (backslashes) => `${backslashes}\\`);
}

/** For what a model writes after it has read escaped text. */
export function unescapeControlTokens(text: string): string {
  return replace(text, ESCAPED, (backslashes) => backslashes.slice(1));
}

/** All texts of plain data, keys included; the same object where nothing is changed. */
export function mapTexts<Value>(value: Value, change: (text: string) => string): Value {
  if (typeof value === "string") return change(value) as Value;
  if (typeof value !== "object" || value === null) return value;
  const before: [string, unknown][] = Object.entries(value);
  const after = before.map(([key, field]): [string, unknown] => [
    Array.isArray(value) ? key : change(key),
    mapTexts(field, change),
  ]);
  const isSame = after.every(([key, field], at) => key === before[at]?.[0] && field === before[at]?.[1]);
  if (isSame) return value;
  return (Array.isArray(value) ? after.map(([, field]) => field) : Object.fromEntries(after)) as Value;
}

function replace(text: string, pattern: RegExp, toBackslashes: (found: string) => string): string {
  // A quick look first: most texts have none.
  if (!text.includes("<") && !text.includes("[")) return text;
  return text.replace(pattern, (...found: unknown[]) => {
    const [first, backslashes, rest] = found.slice(1, 4).some((part) => part !== undefined)
      ? found.slice(1, 4)
      : found.slice(4, 7);
    return `${String(first)}${toBackslashes(String(backslashes))}${String(rest)}`;
  });
}
