import { expect, it } from "vitest";
import { describePending } from "../../src/cli/commands/trust.ts";

it("a question of trust shows every sign that nobody would see", async () => {
  const text = "a\r\nb\u202ec\u200b\u00a0\rd\u001b[2J\u{e0041} 👩\u200d👩\n";
  const shown = await describePending(
    { file: ".lmagent/tools/x.mjs", name: "x", sha256: "ab".repeat(32), state: "new", text, warning: "" },
    "nowhere",
  );
  expect(shown).toContain("  | a\n  | b<U+202E>c<U+200B><U+00A0>␍d␛[2J<U+E0041> 👩<U+200D>👩\n");
});
