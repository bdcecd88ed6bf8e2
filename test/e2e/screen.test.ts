import { existsSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createApprovalStore } from "../../src/permissions/index.ts";
import {
  callReply,
  hangingReply,
  startScriptedServer,
  textReply,
  type ScriptedReply,
} from "../../src/testing/index.ts";
import { createPlace, hasProgram } from "./_agent.ts";
import { Terminal } from "./_terminal.ts";

const touch = (file: string): ScriptedReply =>
  callReply([{ name: "shell", arguments: { command: `touch ${file}` } }]);

describe.runIf(await hasProgram("tmux"))("the interactive screen", () => {
  it("takes a request, asks before a command, runs it when allowed and shows the answer", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([touch("allowed"), textReply("It is **there** now.")]);
    using terminal = new Terminal(place, { url: server.url });
    await terminal.sees("LMAgent");
    terminal.type("make a file", "Enter");
    await terminal.sees("touch allowed");
    await terminal.sees("allow once");
    expect(existsSync(join(place.workspace, "allowed"))).toBe(false);
    await delay(300);
    terminal.type("y");
    await terminal.sees("It is there now.");
    expect(existsSync(join(place.workspace, "allowed"))).toBe(true);
    terminal.type("quit", "Enter");
    await terminal.sees("left with 0");
  });

  it("does not run what is denied", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([touch("denied"), textReply("Then not.")]);
    using terminal = new Terminal(place, { url: server.url });
    await terminal.sees("LMAgent");
    terminal.type("make a file", "Enter");
    await terminal.sees("allow once");
    await delay(300);
    terminal.type("n");
    await terminal.sees("Then not.");
    expect(existsSync(join(place.workspace, "denied"))).toBe(false);
    expect(server.chats[1]?.body).toContain("denied by user");
  });

  it("is interrupted by Ctrl-C, left by a second one, and goes on where it was", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      hangingReply(textReply("Thinking about"), 2),
      textReply("Here I am again."),
    ]);
    {
      using terminal = new Terminal(place, { url: server.url });
      await terminal.sees("LMAgent");
      terminal.type("think hard", "Enter");
      await terminal.sees(/waiting|writing|thinking|reading/i);
      await delay(500);
      terminal.type("C-c");
      await terminal.sees(/interrupted/i);
      expect(server.chats[0]?.abandoned).toBe(true);
      terminal.type("C-c");
      await terminal.sees("left with 0");
    }
    using terminal = new Terminal(place, { url: server.url, args: ["--continue"] });
    await terminal.sees("think hard");
    terminal.type("and now?", "Enter");
    await terminal.sees("Here I am again.");
    expect(server.chats[1]?.body).toContain("think hard");
  });

  it("lists rules and remembered answers, and takes one back", async () => {
    using place = createPlace();
    const store = createApprovalStore({ file: join(place.home, "approvals.json"), now: () => new Date(0) });
    const { id } = await store.add(realpathSync(place.workspace), { tool: "shell", prefix: ["npm", "test"] });
    writeFileSync(
      join(place.home, "permissions.yaml"),
      "rules:\n  - {tool: shell, match: git push, decision: deny, reason: by hand}\n",
    );
    await using server = await startScriptedServer([textReply("unused")]);
    using terminal = new Terminal(place, { url: server.url });
    await terminal.sees("LMAgent");
    terminal.type("/permissions ", "Enter");
    await terminal.sees(/user:1 +user +deny +shell git push +by hand/);
    await terminal.sees(new RegExp(`${id} +remembered +allow +shell npm test +since 1970-01-01`));
    terminal.type(`/permissions revoke ${id}`, "Enter");
    await terminal.sees("Revoked 1 remembered answer.");
    expect(store.list()).toEqual([]);
    terminal.type("/permissions revoke user:1", "Enter");
    await terminal.sees("`user:1` is a rule of a file");
    terminal.type("quit", "Enter");
    await terminal.sees("left with 0");
  });

  it("takes no yes for a command whose end was pushed out of sight", async () => {
    using place = createPlace();
    const lines = Array.from({ length: 700 }, (_, index) => `: ${index}`);
    const command = ["echo begin", ...lines.slice(0, 350), "touch payload", ...lines.slice(350)].join("\n");
    await using server = await startScriptedServer([
      callReply([{ name: "shell", arguments: { command } }]),
      textReply("Then not."),
    ]);
    using terminal = new Terminal(place, { url: server.url });
    await terminal.sees("LMAgent");
    terminal.type("go", "Enter");
    await terminal.sees("302 lines are not shown yet: look at all of it first");
    await delay(300);
    terminal.type("y");
    await delay(1_000);
    expect(terminal.screen()).not.toContain("allow once");
    terminal.type("s");
    await terminal.sees("allow once");
    expect(terminal.screen(1_000)).toContain("· touch payload");
    await delay(1_000);
    terminal.type("n");
    await terminal.sees("Then not.");
    expect(existsSync(join(place.workspace, "payload"))).toBe(false);
  });

  it("completes commands, lists them, and changes the mode", async () => {
    using place = createPlace();
    await using server = await startScriptedServer([
      callReply([{ name: "ls", arguments: {} }]),
      textReply("Listed."),
    ]);
    using terminal = new Terminal(place, { url: server.url });
    await terminal.sees("LMAgent");
    terminal.type("/mo");
    await terminal.sees("/mode");
    terminal.type("C-c");
    terminal.type("/mode manual", "Enter");
    await terminal.sees("The mode is now manual.");
    terminal.type("look around", "Enter");
    await terminal.sees("manual mode asks");
    await delay(300);
    terminal.type("y");
    await terminal.sees("Listed.");
  });
});
