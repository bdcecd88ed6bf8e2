import * as fc from "../_property.ts";
import { describe, expect, test } from "vitest";
import { applyEdit } from "../../src/workspace/apply-edit.ts";

function edited(content: string, old: string, text: string, all = false): string {
  const result = applyEdit(content, { old, new: text, all }, "f.py");
  if (!result.ok) throw new Error(result.error);
  return result.text;
}

function failure(content: string, old: string, text: string): { reason: string; error: string } {
  const result = applyEdit(content, { old, new: text }, "f.py");
  if (result.ok) throw new Error(`edited: ${JSON.stringify(result.text)}`);
  return result;
}

const PYTHON = `def pay(order):
    if order.total > 0:
        charge(order)
        audit(order)
        notify(order.user)

    return order
`;

describe("an exact match", () => {
  test("replaces one place and nothing else", () => {
    expect(edited(PYTHON, "audit(order)", "audit(order, now)")).toBe(
      PYTHON.replace("audit(order)", "audit(order, now)"),
    );
  });
  test("takes dollar signs and backslashes as they stand", () => {
    expect(edited("a b c", "b", "$& $1 \\n $$")).toBe("a $& $1 \\n $$ c");
  });
  test("may join lines when the edit says so", () => {
    expect(edited("a\nb\nc\n", "b\n", "")).toBe("a\nc\n");
  });
  test("replaces all places on request", () => {
    expect(edited("x x x", "x", "yy", true)).toBe("yy yy yy");
    expect(edited("aaaa", "aa", "b", true)).toBe("bb");
  });
});

describe("what models get wrong in old", () => {
  test("trailing spaces", () => {
    expect(
      edited(
        PYTHON,
        "        charge(order)  \n        audit(order)\t\n",
        "        charge(order)  \n        log(order)  \n",
      ),
    ).toBe(PYTHON.replace("audit(order)", "log(order)"));
  });
  test("too little indentation, by the same amount everywhere", () => {
    const old = "if order.total > 0:\n    charge(order)\n    audit(order)";
    const text = "if order.total > 0:\n    for _ in range(2):\n        charge(order)\n    audit(order)";
    expect(edited(PYTHON, old, text)).toBe(
      PYTHON.replace("        charge(order)\n", "        for _ in range(2):\n            charge(order)\n"),
    );
  });
  test("too much indentation", () => {
    expect(edited("a:\n  b\n  c\n", "      b\n      c\n", "      b\n        d\n      c\n")).toBe(
      "a:\n  b\n    d\n  c\n",
    );
  });
  test("spaces for tabs", () => {
    expect(
      edited(
        "f {\n\tif x {\n\t\ty()\n\t}\n}\n",
        "    if x {\n        y()\n    }",
        "    if x {\n        y()\n        z()\n    }",
      ),
    ).toBe("f {\n\tif x {\n\t\ty()\n\t\tz()\n\t}\n}\n");
  });
  test("tabs for spaces", () => {
    expect(edited("f:\n  if x:\n    y()\n", "\tif x:\n\t\ty()\n", "\tif x:\n\t\ty()\n\t\tz()\n")).toBe(
      "f:\n  if x:\n    y()\n    z()\n",
    );
  });
  test("four spaces for two", () => {
    expect(
      edited("a {\n  b {\n    c\n  }\n}\n", "    b {\n        c\n    }", "    b {\n        d\n    }"),
    ).toBe("a {\n  b {\n    d\n  }\n}\n");
  });
  test("the first line without its indentation and the others with a trailing space", () => {
    expect(edited(PYTHON, "charge(order) \n        audit(order)", "charge(order)\n        log(order)")).toBe(
      PYTHON.replace("audit(order)", "log(order)"),
    );
  });
  test("smart quotes for plain ones, and plain for smart ones", () => {
    expect(edited('say("hi")\n', "say(“hi”)", "say(“bye”)")).toBe('say("bye")\n');
    expect(edited("He said “hi” – twice.\n", 'He said "hi" - twice.', 'He said "bye" - twice.')).toBe(
      "He said “bye” – twice.\n",
    );
  });
  test("a no-break space for a space", () => {
    expect(edited("a b c\n", "a\u00a0b", "a\u00a0x")).toBe("a x c\n");
  });
  test.each(["12: ", "  12\t", "12|", "12 | ", "12→"])("line numbers as %j", (form) => {
    const number = (line: string, at: number) => form.replace("12", String(3 + at)) + line;
    const old = ["        charge(order)", "        audit(order)"].map(number).join("\n");
    expect(edited(PYTHON, old, "        charge(order)")).toBe(PYTHON.replace("        audit(order)\n", ""));
    expect(edited(PYTHON, old, old.replace("audit", "log"))).toBe(PYTHON.replace("audit", "log"));
  });
  test("blank lines around the block", () => {
    expect(
      edited(
        PYTHON,
        "\n\n        audit(order)\n        notify(order.user)  \n\n\n\n",
        "\n\n        audit(order)\n\n\n\n",
      ),
    ).toBe(PYTHON.replace("        notify(order.user)\n", ""));
  });
  test("says what was overlooked", () => {
    const result = applyEdit(PYTHON, { old: "charge(order)\naudit(order)\n", new: "pass\n" }, "f.py");
    expect(result).toMatchObject({ ok: true, note: expect.stringMatching(/^matched ignoring indentation/) });
  });
});

describe("a block that is not there is never taken", () => {
  test("one line of four is different", () => {
    const { error } = failure(PYTHON, PYTHON.slice(16, 110).replace("audit", "refund"), "x");
    expect(error).toContain("old text not found in f.py");
    expect(error).toContain("4:         audit(order)");
    expect(error).toContain("Line 4 differs: old has `refund(order)`, the file has `audit(order)`.");
  });
  test("only the first and the last line are right", () => {
    expect(failure(PYTHON, "    if order.total > 0:\n        whatever()\n    return order", "x").reason).toBe(
      "not_found",
    );
  });
  test("indentation that follows no rule", () => {
    const { error } = failure("a\n  b\n      c\nd\n", "  a\nb\n   c\n", "  a\nb\n  x\n   c\n");
    expect(error).toMatch(/indentation/);
  });
  test("blank old text never matches blank lines loosely", () => {
    expect(failure("a\n\nb\n", "   \n  ", "x").reason).toBe("not_found");
  });
});

describe("failures say what to do", () => {
  test("several places, with their lines", () => {
    expect(failure("a = 1\nb = 2\na = 1\n", "a = 1", "a = 3")).toMatchObject({
      reason: "ambiguous",
      error:
        "old text found 2 times in f.py, at lines 1, 3; add lines around it to old so that it is found once, or set all to true",
    });
    expect(failure("  x  \n\tx\n", "x \t\n".trimStart(), "y").reason).toBe("ambiguous");
  });
  test("already applied", () => {
    expect(failure("total = 2\n", "total = 1", "total = 2")).toMatchObject({
      reason: "already_applied",
      error: expect.stringContaining("line 1"),
    });
    expect(failure("import a\nimport b\n", "import a", "import a\nimport b").reason).toBe("already_applied");
  });
  test("empty or unchanged", () => {
    expect(failure("a", "", "b")).toMatchObject({
      reason: "invalid",
      error: expect.stringContaining("write"),
    });
    expect(failure("a", "a", "a").reason).toBe("invalid");
    expect(failure("", "a", "b").error).toContain("The file is empty.");
  });
  test.each([
    "// ... rest of the code",
    "# ... existing code ...",
    "/* rest of file unchanged ... */",
    "<!-- ... existing content ... -->",
    "# rest of the function remains the same...",
  ])("a placeholder for left-out text: %s", (line) => {
    expect(failure("a\nb\n", "a", `c\n${line}`)).toMatchObject({
      reason: "invalid",
      error: expect.stringContaining(line),
    });
  });
  test("a placeholder that the old text has too is ordinary text", () => {
    expect(
      edited("# ... existing code ...\na\n", "# ... existing code ...\na", "# ... existing code ...\nb"),
    ).toBe("# ... existing code ...\nb\n");
    expect(edited("a\n", "a", "def f(): ...\n# and so on...")).toContain("...");
  });
});

describe("line ends", () => {
  test("a file with CRLF is matched by LF and keeps CRLF", () => {
    expect(edited("a\r\nb\r\nc\r\n", "a\nb", "x\ny\nz")).toBe("x\r\ny\r\nz\r\nc\r\n");
    expect(edited("a\r\nb\r\n", "b", "x\ny")).toBe("a\r\nx\r\ny\r\n");
    expect(edited("  a\r\n  b\r\nc\r\n", "a \nb\n", "a\nx\n")).toBe("  a\r\n  x\r\nc\r\n");
  });
  test("a file with both keeps each line's own", () => {
    expect(edited("a\r\nb\nc\r\nd", "b", "B")).toBe("a\r\nB\nc\r\nd");
    expect(edited("a\r\nb\nc\r\nd", "b\nc", "x\ny")).toBe("a\r\nx\ny\r\nd");
  });
  test("a missing final line end stays missing", () => {
    expect(edited("a\nb", "  b", "  c")).toBe("a\nc");
  });
});

const word = fc.string({ unit: fc.constantFrom("a", "b", "(", '"', " ", "$", "é"), maxLength: 8 });
const line = fc.tuple(fc.constantFrom("", "  ", "    ", "\t"), word).map(([indent, text]) => indent + text);
const text = fc.array(line, { maxLength: 12 }).map((lines) => lines.join("\n"));

test("property: a unique old text is replaced by exactly the new one", () => {
  fc.assert(
    fc.property(text, text, text, text, (before, old, after, replacement) => {
      const content = before + old + after;
      fc.pre(old !== "" && old !== replacement && content.indexOf(old) === content.lastIndexOf(old));
      fc.pre(!(replacement.includes("\n") && content.includes(replacement)));
      const result = applyEdit(content, { old, new: replacement }, "f");
      const at = content.indexOf(old);
      expect(result).toMatchObject({
        ok: true,
        text: content.slice(0, at) + replacement + content.slice(at + old.length),
      });
    }),
    { numRuns: 2_000 },
  );
});

test("property: white space variants of a block change that block only", () => {
  const block = fc.array(fc.stringMatching(/^[a-z]{3,6}\(\)$/), { minLength: 1, maxLength: 4 });
  const around = fc.array(
    fc
      .tuple(fc.constantFrom("", "  ", "\t\t"), fc.stringMatching(/^[A-Z]{1,5}$|^$/))
      .map((parts) => parts.join("")),
    { maxLength: 6 },
  );
  const options = fc.record({
    indent: fc.constantFrom("", "  ", "    ", "\t"),
    wanted: fc.constantFrom("", " ", "   ", "\t", "      "),
    trailing: fc.constantFrom("", " ", "\t"),
    crlf: fc.boolean(),
    lineEnd: fc.boolean(),
  });
  const sample = fc
    .tuple(around, block, around, options)
    .map(([before, lines, after, { indent, wanted, trailing, crlf, lineEnd }]) => {
      const isOneLine = before.length + lines.length + after.length === 1;
      const eol = crlf && !isOneLine ? "\r\n" : "\n";
      const end = lineEnd ? "\n" : "";
      return {
        file: [...before, ...lines.map((each) => indent + each), ...after].join(eol),
        old: lines.map((each) => wanted + each + trailing).join("\n") + end,
        new: ["first!", "last!"].map((each) => wanted + each).join("\n") + end,
        wanted: [...before, `${indent}first!`, `${indent}last!`, ...after].join(eol),
      };
    });
  let applied = 0;
  fc.assert(
    fc.property(sample, ({ file, wanted, ...change }) => {
      fc.pre(!file.replaceAll("\r\n", "\n").includes(change.old));
      const result = applyEdit(file, change, "f");
      applied += Number(result.ok);
      expect(result.ok ? result.text : result.reason).toBeOneOf([wanted, "ambiguous", "not_found"]);
    }),
    { numRuns: 2_000 },
  );
  expect(applied).toBeGreaterThan(1_000);
});

test("property: no input throws, and a failure never carries a text", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary" }),
      fc.boolean(),
      (content, old, replacement, all) => {
        const result = applyEdit(content, { old, new: replacement, all }, "f");
        expect("text" in result).toBe(result.ok);
      },
    ),
    { numRuns: 1_000 },
  );
});
