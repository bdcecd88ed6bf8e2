import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { readToolFiles } from "../../src/permissions/index.ts";

function openFolder(files: Readonly<Record<string, string | Uint8Array>> = {}) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-tools-")));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const tools = join(root, ".lmagent/tools");
  mkdirSync(tools, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(tools, name), content);
  return { root, tools };
}

const TOOL = "export default () => 1;\n";

it("finds tools by name, with their text and its hash", () => {
  const { root } = openFolder({ "b.mjs": TOOL, "a.js": "// ü\n", "README.md": "x", "data.json": "{}" });
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  expect(readToolFiles(root)).toEqual({
    tools: [
      { name: "a", file: "a.js", text: "// ü\n", sha256: sha256("// ü\n") },
      { name: "b", file: "b.mjs", text: TOOL, sha256: sha256(TOOL) },
    ],
    problems: [],
  });
});

it("finds nothing where there is no folder", () => {
  const { root, tools } = openFolder();
  rmSync(tools, { recursive: true });
  expect(readToolFiles(root)).toEqual({ tools: [], problems: [] });
});

it("keeps a byte order mark, so that the text is what was hashed", () => {
  const { root } = openFolder({ "a.mjs": `\ufeff${TOOL}` });
  expect(readToolFiles(root).tools[0]?.text).toBe(`\ufeff${TOOL}`);
});

const refused = (file: string, why: string) => ({
  tools: [],
  problems: [expect.stringMatching(new RegExp(`^\`\\.lmagent/tools/${file}\` .*${why}`)) as string],
});

it("refuses links: to a file outside, to a file beside it, and one more name of a file", () => {
  const { root, tools } = openFolder();
  writeFileSync(join(root, "outside.mjs"), TOOL);
  symlinkSync(join(root, "outside.mjs"), join(tools, "a.mjs"));
  expect(readToolFiles(root)).toEqual(refused("a.mjs", "is a link"));
  rmSync(join(tools, "a.mjs"));
  linkSync(join(root, "outside.mjs"), join(tools, "a.mjs"));
  expect(readToolFiles(root)).toEqual(refused("a.mjs", "hard link"));
});

it.each(["tools", ".lmagent"])("refuses a link in place of the folder %s", (name) => {
  const { root, tools } = openFolder({ "a.mjs": TOOL });
  const moved = realpathSync(mkdtempSync(join(tmpdir(), "lmagent-elsewhere-")));
  onTestFinished(() => rmSync(moved, { recursive: true }));
  mkdirSync(join(moved, "tools"));
  writeFileSync(join(moved, "tools/a.mjs"), TOOL);
  const place = name === "tools" ? tools : join(root, ".lmagent");
  rmSync(place, { recursive: true });
  symlinkSync(name === "tools" ? join(moved, "tools") : moved, place);
  expect(readToolFiles(root)).toEqual({
    tools: [],
    problems: ["`.lmagent/tools` is a link or a file and no folder"],
  });
});

it("refuses what is no regular file, without waiting for it", () => {
  const { root, tools } = openFolder();
  mkdirSync(join(tools, "a.mjs"));
  expect(readToolFiles(root)).toEqual(refused("a.mjs", "is no regular file"));
  rmSync(join(tools, "a.mjs"), { recursive: true });
  execFileSync("mkfifo", [join(tools, "b.mjs")]);
  expect(readToolFiles(root)).toEqual(refused("b.mjs", "is no regular file"));
});

it("refuses a file that is too large, also one that only looks it, and one that is no text", () => {
  const { root, tools } = openFolder({ "a.mjs": new Uint8Array([0x2f, 0x2f, 0xff, 0xfe]) });
  expect(readToolFiles(root)).toEqual(refused("a.mjs", "is not UTF-8 text"));
  truncateSync(join(tools, "a.mjs"), 20e9);
  expect(readToolFiles(root)).toEqual(refused("a.mjs", "has 20000000000 bytes, at most 1048576"));
});

it.each(["My-Tool.mjs", "a b.mjs", "tool.ts", "tool.cjs", `${"x".repeat(41)}.mjs`, "ä.js", "evil\u202e.mjs"])(
  "says that %j is no tool",
  (file) => {
    const { root } = openFolder({ [file]: TOOL });
    const { tools, problems } = readToolFiles(root);
    expect(tools).toEqual([]);
    expect(problems).toEqual([expect.stringContaining("is no tool: its name must be a-z, 0-9 and _")]);
    expect(problems[0]).not.toMatch(/\u202e/);
  },
);

it("refuses the second of two tools with one name", () => {
  const { root } = openFolder({ "a.js": TOOL, "a.mjs": TOOL });
  const { tools, problems } = readToolFiles(root);
  expect(tools.map(({ file }) => file)).toEqual(["a.js"]);
  expect(problems).toEqual([
    "`.lmagent/tools/a.mjs` has the same name as another tool, `a`: remove one of them",
  ]);
});

it("loads none of more than fifty", () => {
  const files = Array.from({ length: 51 }, (_, index) => [`t${index}.mjs`, TOOL] as const);
  const { root } = openFolder(Object.fromEntries(files));
  const { tools, problems } = readToolFiles(root);
  expect(tools).toEqual([]);
  expect(problems).toEqual(["`.lmagent/tools` holds 51 tools, at most 50 are allowed: none was loaded"]);
});
