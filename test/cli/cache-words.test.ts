import { describe, expect, it } from "vitest";
import { LiveSession } from "../../src/cli/live-session.ts";
import type { Usage } from "../../src/core/model.ts";
import { describeCache } from "../../src/cli/repl-commands.ts";

describe("the share of the prompts that the server had read before", () => {
  const live = (usage: Usage, tokens?: LiveSession["tokens"]): LiveSession => {
    const session = new LiveSession({}, tokens === undefined ? {} : { tokens });
    session.note({ type: "usage", turn: 1, usage }, { model: "m" });
    return session;
  };

  it("is not known before the server has told anything", () => {
    expect(describeCache(new LiveSession().tokens)).toBe("the server has told no counts yet");
  });

  it("is not promised for a server that counts, but does not tell what it had", () => {
    const { tokens } = live({ promptTokens: 900, completionTokens: 10 });
    expect(describeCache(tokens)).toBe("this server does not tell what it had read before");
  });

  it("goes on when requests are taken back", () => {
    const before = live({ promptTokens: 1_000, cachedTokens: 0, completionTokens: 10 });
    const after = live({ promptTokens: 1_000, cachedTokens: 900, completionTokens: 10 }, before.tokens);
    expect(describeCache(after.tokens)).toBe("45 % of 2,000 prompt tokens were already read (2 requests)");
    expect(before.tokens.counted).toBe(1);
  });
});
