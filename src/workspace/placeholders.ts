/** Before the words: the start of a comment, a bracket, or nothing but dots. */
const COMMENT = String.raw`^\s*(?:\/\/|#|\/\*|<!--|--|;|%|\{\/\*|\(\*|\[|\(|"""|\*)\s*`;
const DOTS = String.raw`(?:\.{3,}|…)`;
const WORDS = String.raw`(?:the\s+)?(?:rest|remaining|remainder|existing|unchanged|same\s+as|as\s+before|previous|other)\b.*\b(?:code|file|content|contents|lines?|function|method|class|implementation|text|unchanged|same|before|above|here|imports?|logic)\b`;
const OMISSION = [
  new RegExp(`${COMMENT}${DOTS}\\s*${WORDS}`, "i"),
  new RegExp(`${COMMENT}${WORDS}.*${DOTS}`, "i"),
  new RegExp(String.raw`${COMMENT}${DOTS}\s*(?:existing|unchanged|omitted|truncated|snip|rest)\b`, "i"),
  new RegExp(String.raw`^\s*${DOTS}\s*\(?(?:existing|unchanged|omitted|rest of|remaining)\b.*$`, "i"),
  /^\s*[[(](?:rest|remainder) of (?:the )?(?:file|code|content)s?\b.*[\])]\s*$/i,
];

/** The first line of `text` that stands for code left out and is not in `original`. */
export function findOmission(text: string, original: string): string | undefined {
  return text
    .split("\n")
    .find(
      (line) =>
        line.length < 200 && OMISSION.some((form) => form.test(line)) && !original.includes(line.trim()),
    )
    ?.trim();
}
