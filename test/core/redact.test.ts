import { execFileSync } from "node:child_process";
import * as fc from "../_property.ts";
import { describe, expect, it } from "vitest";
import { createRedactor, type Redactor } from "../../src/core/redact.ts";

const KEY = 'sk-live/9f+Tq~8 Zx"27';
const redactor = createRedactor([KEY]);

function inPieces({ stream }: Redactor, pieces: readonly string[]): string {
  const redacted = stream();
  return pieces.map((piece) => redacted.push(piece)).join("") + redacted.end();
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const hex = (text: string): string => Buffer.from(text).toString("hex");
const everyByte = (text: string): string => hex(text).replace(/../g, "%$&");

describe("a known secret", () => {
  it.each([
    ["as it is", KEY],
    ["percent-encoded", encodeURIComponent(KEY)],
    ["percent-encoded in lower case", encodeURIComponent(KEY).replace(/%../g, (code) => code.toLowerCase())],
    ["percent-encoded throughout", everyByte(KEY)],
    ["as a JSON string", JSON.stringify(KEY).slice(1, -1)],
    ["with JSON's numeric escapes", KEY.replace(/[/+~]/g, (sign) => `\\u00${hex(sign).toUpperCase()}`)],
    ["in base64", base64(KEY).slice(0, 28)],
    ["in hexadecimal", hex(KEY)],
    ["in upper-case hexadecimal", hex(KEY).toUpperCase()],
    ["as xxd prints it", hex(KEY).replace(/..../g, "$& ").trim()],
    ["in hexadecimal with colons", hex(KEY).replace(/..(?!$)/g, "$&:")],
  ])("is replaced %s", (_name, form) => {
    expect(redactor.text(`before ${form} after`)).toBe("before [redacted] after");
    expect(redactor.text(form)).toBe("[redacted]");
  });

  it("is replaced in the base64 of a text around it, wherever it begins, in both alphabets and on short lines", () => {
    for (const before of ["", "a", "ab", "abc", "user:"]) {
      const encoded = base64(`${before}${KEY}?>~ and more`);
      const core = base64(KEY).slice(4, 20);
      for (const form of [
        encoded,
        encoded.replaceAll("+", "-").replaceAll("/", "_"),
        encoded.replace(/.{19}/g, "$&\n"),
      ]) {
        const redacted = redactor.text(form);
        expect(redacted, form).toContain("[redacted]");
        expect(redacted.length).toBeLessThan(form.length - core.length / 2);
      }
    }
  });

  it("is replaced each time, and secrets that overlap or touch become one", () => {
    const two = createRedactor(["alpha-beta", "beta-gamma", "gamma-delta-x"]);
    expect(two.text("alpha-beta and alpha-beta")).toBe("[redacted] and [redacted]");
    expect(two.text("<alpha-beta-gamma-delta-x>")).toBe("<[redacted]>");
    expect(two.text("alpha-betabeta-gamma.")).toBe("[redacted].");
  });

  it("is replaced as a whole where another secret begins it", () => {
    const two = createRedactor(["abc-123", "abc-123-def-456"]);
    expect(two.text("x abc-123-def-456 y abc-123-def y")).toBe("x [redacted] y [redacted]-def y");
  });

  it("with letters of other scripts is found in each form too", () => {
    const secret = "pässwörd-λ-😀";
    const other = createRedactor([secret]);
    const forms = [
      secret,
      encodeURIComponent(secret),
      hex(secret),
      "p\\u00e4ssw\\u00F6rd-\\u03bb-\\ud83d\\ude00",
    ];
    for (const form of forms) expect(other.text(`[${form}]`)).toBe("[[redacted]]");
  });

  it("of several lines is replaced line by line, however the lines are put together", () => {
    const lines = ["MIIEowIBAAKCAQEAx9b8", "Qm3k2Jw0q7tTzYp1Lr5v", "o8HhGgFf=="];
    const pem = `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`;
    const other = createRedactor([pem]);
    const redacted =
      "-----BEGIN PRIVATE KEY-----\n[redacted]\n[redacted]\no8HhGgFf==\n-----END PRIVATE KEY-----\n";
    expect(other.text(pem)).toBe(redacted);
    expect(other.text(JSON.stringify({ key: pem }))).toBe(JSON.stringify({ key: redacted }));
    for (const line of lines.slice(0, 2)) expect(other.text(`  "${line}" +`)).toBe('  "[redacted]" +');
  });
});

describe("a known secret as programs for looking at bytes print it", () => {
  const LONG = "sk-live-0123456789abcdefGHIJKLMNOPQRSTUV~!";
  const long = createRedactor([LONG]);

  it.each([
    "xxd",
    "xxd -c 40",
    "xxd -u -g 1",
    "hexdump -C",
    "hexdump -c",
    "od -c",
    "od -A x -c",
    "od -b",
    "od -t x1",
    "od -A x -t x1z",
  ])("is replaced in what %s prints, wherever it begins and in any pieces", (command) => {
    const [program = "", ...options] = command.split(" ");
    for (const before of ["", "a", "key = '", "0123456789012345", "deadbeef deadbeef deadbe"]) {
      const input = `${before}${LONG} and more text after it, which stays`;
      const dump = execFileSync(program, options, { input, encoding: "latin1" });
      const redacted = long.text(dump);
      expect(redacted).toContain("[redacted]");
      // Of neither the numbers nor the characters is more left than comes from the text around.
      const letters = redacted.replaceAll("[redacted]", "").replaceAll(/[^\x21-\x7e]/g, "");
      for (const part of ["sk-live", "0123456789abcdefG", "GHIJKL", "TUV~!", hex("sk-live"), hex("TUV~!")])
        expect(letters.toLowerCase()).not.toContain(part.toLowerCase());
      expect(inPieces(long, dump.split(""))).toBe(redacted);
      expect(inPieces(long, dump.match(/[^]{1,7}/g) ?? [])).toBe(redacted);
      expect(long.text(dump.trimEnd())).toBe(redacted.trimEnd());
      const other = createRedactor(["no such key here"]);
      expect(other.text(dump)).toBe(dump);
    }
  });

  it("and lines that only begin so are given out with their end", () => {
    const stream = long.stream();
    expect(stream.push("1234567 files\n123")).toBe("1234567 files\n123");
    expect(stream.push("4567 more")).toBe("4567 ");
    expect(stream.push("\n")).toBe("more\n");
    expect(stream.push("deadbeef: ")).toBe("deadbeef: ");
    expect(stream.push("x".repeat(2_000))).toBe("x".repeat(2_000));
  });
});

describe("everything else", () => {
  it("stays as it is when there is nothing to hide", () => {
    for (const secrets of [
      [],
      [""],
      ["short", "12345"],
      ["password", "LOCALHOST", "changeme", "lm-studio", "xxxxxxxx"],
    ]) {
      const none = createRedactor(secrets);
      const text = "short 12345 password LOCALHOST changeme lm-studio xxxxxxxx";
      expect(none.text(text)).toBe(text);
      expect(inPieces(none, ["pass", "word"])).toBe("password");
      expect(none.stream().push("passw")).toBe("passw");
    }
  });

  it("and no key is forgotten for a secret that is far too long", () => {
    const long = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(1_000);
    expect(createRedactor([long, KEY]).text(`${long} ${KEY}`)).toBe(`${long} [redacted]`);
  });

  it("stays as it is in texts without the secret, also where they nearly hold it", () => {
    const nearly = [
      KEY.slice(1),
      KEY.slice(0, -1),
      KEY.toUpperCase(),
      encodeURIComponent(KEY).slice(0, -1),
      "100% \\n \\u00",
    ];
    for (const text of nearly) expect(redactor.text(text)).toBe(text);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        expect(redactor.text(text)).toBe(text);
      }),
    );
  });

  it("comes out of a stream at once when no secret can begin there", () => {
    const stream = redactor.stream();
    expect(stream.push("working, ")).toBe("working, ");
    expect(stream.push(`see ${KEY.slice(0, 8)}`)).toBe("see ");
    expect(stream.push("!")).toBe(`${KEY.slice(0, 8)}!`);
    expect(stream.end()).toBe("");
  });
});

describe("a text in pieces", () => {
  const secrets = ["sekret", "se-krets", "%41%42se", "a\\nb\\\\c", "tsekre", "5e5e5e"];
  const several = createRedactor(secrets);
  const forms = secrets.flatMap((secret) => [
    secret,
    secret.slice(0, -1),
    secret.slice(1),
    encodeURIComponent(secret),
    everyByte(secret),
    JSON.stringify(secret),
    base64(secret),
    base64(`x${secret}y`),
    hex(secret),
    hex(secret).toUpperCase(),
  ]);
  const parts = fc.oneof(
    fc.constantFrom(...forms),
    fc.constantFrom("%", "\\", "\\u", "%7", "\n", " ", ":", "s", "se", "5e", "c2Vj", "73"),
    fc.string({ unit: "binary", maxLength: 4 }),
  );
  const texts = fc.array(parts, { maxLength: 12 }).map((all) => all.join(""));

  it("gives what the whole gives, for every cut of every text", () => {
    fc.assert(
      fc.property(texts, fc.array(fc.nat(200), { maxLength: 8 }), (text, cuts) => {
        const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length];
        const pieces = at.slice(1).map((end, index) => text.slice(at[index], end));
        expect(inPieces(several, pieces)).toBe(several.text(text));
        expect(inPieces(several, text.split(""))).toBe(several.text(text));
      }),
      { numRuns: 500 },
    );
  });

  it("never lets a secret through", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const redacted = several.text(text).split("[redacted]");
        for (const part of redacted) for (const secret of secrets) expect(part).not.toContain(secret);
      }),
      { numRuns: 500 },
    );
  });

  it("gives nothing of a secret out before it is whole", () => {
    const stream = redactor.stream();
    const out = KEY.split("").map((character) => stream.push(character));
    expect(out.join("")).toBe("");
    expect(stream.push(".") + stream.end()).toBe("[redacted].");
  });
});

it("a large text and many secrets take time in proportion", () => {
  const many = createRedactor(Array.from({ length: 200 }, (_, index) => `${"a".repeat(40)}${index}-b`));
  const startedAt = performance.now();
  expect(many.text("a".repeat(2_000_000))).toHaveLength(2_000_000);
  expect(many.text(`${"a".repeat(40)}7-b`.repeat(20_000))).toBe("[redacted]");
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
