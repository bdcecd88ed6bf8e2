import { describe, expect, it } from "vitest";
import { toSeatbeltProfile, type SeatbeltOptions } from "../../src/sandbox/seatbelt-profile.ts";
import { allows, parseExpressions, type Expression } from "./_seatbelt-rules.ts";

const WORKSPACE = "/Users/someone/project";
const TEMPORARY = "/private/var/folders/xy/T/lmagent-home-1";
const OPTIONS: SeatbeltOptions = {
  workspace: WORKSPACE,
  temporary: TEMPORARY,
  toolchains: ["/Users/someone/.nvm/versions/node/v22"],
  pinned: [".lmagent", ".git/config", ".git/hooks", ".vscode/tasks.json", ".envrc"],
  network: "none",
};
const profile = toSeatbeltProfile(OPTIONS);

describe("the Seatbelt profile", () => {
  it("denies what it does not name", () => {
    expect(profile.text.startsWith("(version 1)\n(deny default)\n")).toBe(true);
    expect(allows(profile, "file-write-data", "/Users/someone/.zshrc")).toBe(false);
    expect(profile.text).not.toContain("(allow default)");
  });

  it("holds well-formed expressions and only parameters that are given", () => {
    const used = collectParameters(parseExpressions(profile.text));
    expect([...used].sort()).toEqual(Object.keys(profile.parameters).sort());
  });

  it.each([`${WORKSPACE}/a.txt`, `${WORKSPACE}/deep/er/b`, `${TEMPORARY}/x`, `${WORKSPACE}/.git/index`])(
    "lets %s be read and written",
    (path) => {
      for (const operation of ["file-read-data", "file-write-data", "file-write-create", "file-write-unlink"])
        expect(allows(profile, operation, path), operation).toBe(true);
    },
  );

  it.each([
    "/Users/someone/.ssh/id_ed25519",
    "/Users/someone/other/file",
    `${WORKSPACE}-evil/file`,
    "/private/etc/master.passwd",
    "/private/var/folders/xy/T/other",
    "/Users/someone/Library/Keychains/login.keychain-db",
    "/Volumes/disk/file",
  ])("keeps %s from being read or written", (path) => {
    expect(allows(profile, "file-read-data", path)).toBe(false);
    expect(allows(profile, "file-write-create", path)).toBe(false);
  });

  it.each(["/usr/bin/true", "/System/Library/x", "/Users/someone/.nvm/versions/node/v22/bin/node"])(
    "lets %s be read and not be written",
    (path) => {
      expect(allows(profile, "file-read-data", path)).toBe(true);
      expect(allows(profile, "file-write-data", path)).toBe(false);
    },
  );

  it.each([".lmagent/x", ".git/config", ".git/hooks/pre-commit", ".vscode/tasks.json", ".envrc"])(
    "keeps %s as it is, also where it is not there yet",
    (path) => {
      expect(allows(profile, "file-write-data", `${WORKSPACE}/${path}`)).toBe(false);
      expect(allows(profile, "file-write-create", `${WORKSPACE}/${path}`)).toBe(false);
      expect(allows(profile, "file-read-data", `${WORKSPACE}/${path}`)).toBe(true);
    },
  );

  it.each([".git", ".vscode", ".lmagent"])("lets %s neither be moved away nor be put there", (path) => {
    expect(allows(profile, "file-write-unlink", `${WORKSPACE}/${path}`)).toBe(false);
    expect(allows(profile, "file-write-create", `${WORKSPACE}/${path}`)).toBe(false);
  });

  it.each([".GIT", ".Git/hooks/pre-commit", ".LMAGENT/x", ".VScode/tasks.json", ".ENVRC"])(
    "makes no %s, which a Mac takes for the same name",
    (path) => expect(allows(profile, "file-write-create", `${WORKSPACE}/${path}`)).toBe(false),
  );

  it("lets no file get the rights of its owner", () => {
    expect(profile.text.trimEnd().endsWith("(deny file-write-setugid)")).toBe(true);
  });

  it("gives no network unless it is chosen, and never an engine's socket", () => {
    const bridge = toSeatbeltProfile({ ...OPTIONS, network: "bridge" });
    expect(profile.text).not.toContain("remote ip");
    expect(bridge.text).toContain("(allow network-outbound (remote ip))");
    for (const each of [profile, bridge]) {
      for (const path of [
        "/var/run/docker.sock",
        "/private/var/run/docker.sock",
        "/Users/someone/.docker/run/docker.sock",
        "/Users/someone/.orbstack/run/docker.sock",
        "/Users/someone/.local/share/containers/podman/machine/podman.sock",
        `${TEMPORARY}/docker.sock`,
      ])
        expect(allows(each, "network-outbound", path), path).toBe(false);
    }
    expect(allows(profile, "network-bind", `${TEMPORARY}/own.sock`)).toBe(true);
  });

  it.each([
    '/Users/x") (allow default) ("',
    "/Users/x' -p (version 1)",
    '/Users/(param "TEMPORARY")',
    "/Users/a b\n(allow file-write*)\\",
    "/Users/ü💥=WORKSPACE=/",
  ])("takes a folder named %j for a name and not for a rule", (workspace) => {
    const hostile = toSeatbeltProfile({ ...OPTIONS, workspace, toolchains: [`${workspace}/tools`] });
    expect(hostile.parameters["WORKSPACE"]).toBe(workspace);
    // Only the number of folders above differs between two profiles.
    const withoutAbove = (text: string): string => text.replaceAll(/ \(literal \(param "ABOVE_\d+"\)\)/g, "");
    expect(withoutAbove(hostile.text)).toBe(withoutAbove(profile.text));
    expect(allows(hostile, "file-write-data", `${workspace}/.git/config`)).toBe(false);
    expect(allows(hostile, "file-write-data", `${workspace}/file`)).toBe(true);
  });
});

function collectParameters(expressions: readonly Expression[], found = new Set<string>()): Set<string> {
  for (const each of expressions) {
    if (!Array.isArray(each)) continue;
    if (each[0] === "param") found.add((each[1] as { text: string }).text);
    else collectParameters(each, found);
  }
  return found;
}
