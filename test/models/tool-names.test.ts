import { describe, expect, it } from "vitest";
import { resolveToolName } from "../../src/models/tool-names.ts";

const NAMES = ["read", "write", "edit", "ls", "git_status", "git_diff", "git_add", "todo_add", "todo_update"];

describe("names of tools", () => {
  it("are taken as they are", () => {
    expect(resolveToolName("read", NAMES)).toEqual({ name: "read" });
  });

  it.each([
    ["Read", "read"],
    ["READ", "read"],
    ["git-status", "git_status"],
    ["gitStatus", "git_status"],
    ["git status", "git_status"],
    ["functions.read", "read"],
    ["tools.read", "read"],
    ["namespace:read", "read"],
    ["default_api:git_diff", "git_diff"],
    ["functions.read:0", "read"],
    ["read()", "read"],
    ["raed", "read"],
    ["reed", "read"],
    ["rea", "read"],
    ["reads", "read"],
    ["git_statuss", "git_status"],
    ["Functions.Git-Status", "git_status"],
  ])("are corrected when one slip away: %s", (written, meant) => {
    expect(resolveToolName(written, NAMES)).toEqual({
      name: meant,
      rescued: expect.stringContaining(written),
    });
  });

  it.each(["", "rm", "l", "bash", "git", "todo", "git_sta"])("are not guessed: `%s`", (written) => {
    expect(resolveToolName(written, NAMES)).toHaveProperty("problem");
  });

  it("are not guessed when two are as close", () => {
    const answer = resolveToolName("cat1", ["cat2", "cat3"]);
    expect(answer).toEqual({ problem: expect.stringMatching(/`cat2`, `cat3`/) });
  });

  it("are listed by nearness when unknown", () => {
    expect(resolveToolName("git_stash", NAMES)).toEqual({
      problem: "There is no tool `git_stash`. Did you mean `git_status`, `git_diff`, `git_add`?",
    });
    expect(resolveToolName("launch", NAMES)).toEqual({
      problem: expect.stringContaining("The tools are `read`, `write`"),
    });
    expect(resolveToolName("read", [])).toEqual({ problem: expect.stringContaining("no tools are offered") });
  });

  it("are cut when they are absurd", () => {
    const answer = resolveToolName("x".repeat(10_000), NAMES);
    expect("problem" in answer && answer.problem.length).toBeLessThan(400);
  });
});
