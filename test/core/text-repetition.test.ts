import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { TextRepetition } from "../../src/core/text-repetition.ts";

/** How much of a text is taken before it is stopped; `undefined`: all of it. */
function stoppedAt(text: string, { pieceChars = 7 }: { pieceChars?: number } = {}): number | undefined {
  const repetition = new TextRepetition();
  for (let at = 0; at < text.length; at += pieceChars)
    if (repetition.push(text.slice(at, at + pieceChars))) return at;
  return undefined;
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe("a chunk that is written again and again", () => {
  it.each([
    ["a sentence", "Let me check the file again. "],
    ["two lines", "I need to look at the parser first.\nThen I will write the tests.\n\n"],
    [
      "a long paragraph",
      `${numbers(40)
        .map((n) => `So the value of ${n} matters here.`)
        .join(" ")}\n`,
    ],
    [
      "pages",
      `${numbers(60)
        .map((n) => `In the end the number ${n} is what it is all about here.`)
        .join("\n\n")}\n`,
    ],
    ["a sentence without blanks between its words", "让我再检查一下这个文件的内容。"],
    [
      "a paragraph with the same code",
      "Here is the fix for it:\n```ts\nconst a = 1;\n```\nThat should work.\n",
    ],
  ])("is stopped soon when it is %s", (_name, chunk) => {
    const before = "The project has three parts, and this is about the second one.\n\n";
    expect(stoppedAt(before + chunk.repeat(2_000))).toBeLessThan(20_000);
  });

  it("is stopped when only a few sentences come in any order", () => {
    const sentences = [
      "Wait, let me reconsider the condition in the loop.",
      "Actually, the index starts at zero and not at one.",
      "Hmm, but then the last element would be left out.",
      "So the condition has to be changed after all, I think.",
    ];
    // In an order that never repeats: the squares of the golden ratio's multiples.
    const text = numbers(400).map((n) => sentences[Math.floor(((n * n * 0.618_033_988_7) % 1) * 4)]);
    expect(stoppedAt(text.join(" "))).toBeLessThan(5_000);
  });

  it("is stopped at about the same place however it comes in pieces", () => {
    const text = `Some words before.\n${"And then he said it once more. ".repeat(1_000)}`;
    const ends = [1, 3, 64, 999, 5_000].map((pieceChars) => stoppedAt(text, { pieceChars }) ?? Infinity);
    expect(Math.max(...ends)).toBeLessThan(10_000);
  });

  it("is stopped at last when it is no words at all", () => {
    expect(stoppedAt("G".repeat(60_000))).toBeLessThan(40_000);
  });

  it("says how much of it may go", () => {
    const repetition = new TextRepetition();
    const text = `Something new.\n${"I will look at the file now. ".repeat(500)}`;
    const found = repetition.push(text);
    expect(found?.repeatedChars).toBeGreaterThan(2_000);
    expect(found?.repeatedChars).toBeLessThan(text.length);
  });
});

describe("text that repeats rightly", () => {
  const line = "| yes | no | maybe | a long cell with many words |\n";
  it.each([
    [
      "a code fence",
      `Here it is:\n\`\`\`sh\n${"echo do the same thing once more\n".repeat(3_000)}\`\`\`\nDone.`,
    ],
    ["a fence of tildes", `~~~\n${"the same words again and again\n".repeat(2_000)}~~~\n`],
    [
      "an indented fence",
      `1. Run:\n   \`\`\`\n${"   the same words again and again\n".repeat(2_000)}   \`\`\`\n`,
    ],
    ["a table", line.repeat(600)],
    [
      "a list of similar lines",
      numbers(500)
        .map((n) => `- Checked the file number ${n}: no problem found.`)
        .join("\n"),
    ],
    [
      "numbered steps",
      numbers(500)
        .map((n) => `${n}. The test passes without any change.`)
        .join("\n"),
    ],
    ["a list of lines that are all the same", "- Checked the next file, all is fine.\n".repeat(150)],
    ["a picture", `${" ".repeat(20)}/\\\n${"####____####....####\n".repeat(60)}`],
    ["a ruler", "=".repeat(2_000)],
    ["rows of data", "0, 0, 0, 1, 0, 0, 0, 1\n".repeat(800)],
    ["data in JSON", '{"name": "default", "value": "none", "kind": "text"},\n'.repeat(500)],
    ["base64", "AAAA".repeat(5_000)],
    ["lines for a punishment", "I must not chew gum in class.\n".repeat(100)],
    [
      "a song",
      numbers(99)
        .map((n) => `${99 - n} bottles of beer on the wall, take one down and pass it around.`)
        .join("\n"),
    ],
    [
      "a poem with a refrain",
      numbers(30)
        .map(
          (n) =>
            `Verse ${n} tells of a new place far away.\nIt speaks of tale ${n * 7}.\nAnd so we sail on, over the sea, my friend.\n`,
        )
        .join("\n"),
    ],
  ])("is not stopped when it is %s", (_name, text) => expect(stoppedAt(text)).toBeUndefined());

  it("is any text whose sentences differ", () => {
    const word = fc.constantFrom(
      "file",
      "test",
      "value",
      "loop",
      "reads",
      "writes",
      "the",
      "an",
      "old",
      "new",
      "line",
    );
    const sentence = fc.array(word, { minLength: 8, maxLength: 14 }).map((words) => `${words.join(" ")}. `);
    fc.assert(
      fc.property(fc.uniqueArray(sentence, { minLength: 60, maxLength: 200 }), (sentences) => {
        expect(stoppedAt(sentences.join(""))).toBeUndefined();
      }),
      { numRuns: 30 },
    );
  });
});

describe("the time it takes", () => {
  it.each([
    ["letters that are nearly all the same", `${"a".repeat(70)}b`.repeat(3_000).replaceAll("b", "b1")],
    ["backticks", "`".repeat(300_000)],
    ["blank lines", "\n".repeat(300_000)],
    ["blanks", " ".repeat(300_000)],
    [
      "a single line of different words",
      numbers(60_000)
        .map((n) => n.toString(36))
        .join(" "),
    ],
    ["unclosed fences", "```\nx\n~~~\n".repeat(30_000)],
  ])("is linear for %s", (_name, text) => {
    const started = Date.now();
    for (const pieceChars of [3, text.length]) stoppedAt(text, { pieceChars });
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});
