/** What the probe shows a model. */

/** Tabs, quotes of several kinds, signs that JSON escapes, and letters beyond ASCII: what models get wrong when they copy. */
export const AWKWARD_LINES = [
  "\tconst label = \"naïve “quoted”\" + '\\t';  // 5 € & <b>",
  "\tconst path = `C:\\\\new\\\\${label}`;",
].join("\n");

export const AWKWARD_CHANGE = { from: "5 €", to: "6 €" };

/** 64 × 64 pixels, red on the left and blue on the right. */
export const TWO_COLOURS = {
  url: "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAT0lEQVR42u3PsQkAAAzDsPz/dHpCp2wCzwalybTxvgEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+Dq47PDiz8p6GQAAAABJRU5ErkJggg==",
  seen: /\bred\b[^]*\bblue\b/i,
};

const LINES = [
  "The harbour was quiet and the boats lay still.",
  "A cart went up the hill with bread for the school.",
  "Rain had washed the steps in front of the mill.",
  "Two neighbours talked about the price of apples.",
  "The clock in the tower was slow by a few minutes.",
];

/** What is to be recalled, and in what it lies at the far end. */
export const RECALL = { word: "marzipan", lead: "The secret word is marzipan. Remember it." };

/** Text of about so many bytes; a longer one begins with the shorter one, so that a server need not read that part again. */
export function toFiller(bytes: number): string {
  const lines: string[] = [];
  for (let length = 0; length < bytes;) {
    const line = `${lines.length + 1}. ${LINES[lines.length % LINES.length]}`;
    lines.push(line);
    length += line.length + 1;
  }
  return lines.join("\n");
}
