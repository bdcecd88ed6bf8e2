/**
 * The profile of `sandbox-exec` on macOS, in Apple's undocumented language (SBPL; later rules win). Written after profiles that are
 * known to work, and never run on a Mac by us: what it lets through there is checked by the self-test before its first use.
 *
 * No path is ever part of the text: all come in as parameters (`-D NAME=value`), which are values and not code.
 */
import { dirname } from "node:path";
import type { SandboxNetwork } from "../core/sandbox.ts";

export interface SeatbeltOptions {
  /** Absolute and without links, since rules are compared with the real path: `/private/tmp/x`, not `/tmp/x`. */
  workspace: string;
  /** Folder for temporary files and the home of commands, of this sandbox alone. Absolute and without links. */
  temporary: string;
  /** Absolute folders that may be read. */
  toolchains: readonly string[];
  /** Paths relative to the workspace that stay as they are, whether they are there or not. */
  pinned: readonly string[];
  network: SandboxNetwork;
}

export interface SeatbeltProfile {
  text: string;
  parameters: Readonly<Record<string, string>>;
}

/** Programs, libraries and settings of the system. Nothing here names the user's own files. */
const READABLE = [
  "/System",
  "/usr",
  "/bin",
  "/sbin",
  "/opt/homebrew",
  "/Library/Apple",
  "/Library/Developer",
  "/Library/Frameworks",
  "/Applications/Xcode.app/Contents/Developer",
  "/private/etc/ssl",
  "/private/etc/localtime",
  "/private/var/db/timezone",
  "/private/var/db/dyld",
  "/private/var/select",
] as const;

const READABLE_FILES = [
  "/dev/null",
  "/dev/zero",
  "/dev/random",
  "/dev/urandom",
  "/private/etc/hosts",
  "/private/etc/protocols",
  "/private/etc/services",
  "/private/etc/shells",
  "/private/var/db/xcode_select_link",
] as const;

/** Services that ordinary programs ask at their start. Everything else, such as the clipboard, the keychain and the launcher, is denied. */
const SERVICES = [
  "com.apple.system.logger",
  "com.apple.system.notification_center",
  "com.apple.system.opendirectoryd.libinfo",
  "com.apple.system.opendirectoryd.membership",
  "com.apple.PowerManagement.control",
  "com.apple.bsd.dirhelper",
] as const;

/** Whoever reaches one of these commands the whole machine. */
const ENGINE_SOCKETS = [
  String.raw`/docker(\.raw|-cli|_desktop)?\.sock$`,
  String.raw`/podman[^/]*\.sock$`,
  String.raw`/containerd[^/]*\.sock$`,
  String.raw`/\.(docker|orbstack|colima|lima|rd)/`,
  String.raw`/Library/Containers/com\.docker\.docker/`,
] as const;

export function toSeatbeltProfile(options: SeatbeltOptions): SeatbeltProfile {
  const { workspace, temporary, toolchains, pinned, network } = options;
  const parameters: Record<string, string> = {};
  /** The expression by which the profile gets at a path. */
  const param = (name: string, value: string): string => {
    parameters[name] = value;
    return `(param "${name}")`;
  };
  const place = {
    workspace: param("WORKSPACE", workspace),
    temporary: param("TEMPORARY", temporary),
    toolchains: toolchains.map((folder, index) => param(`TOOLCHAIN_${index}`, folder)),
    above: listAbove([workspace, temporary, ...toolchains]).map((folder, index) =>
      param(`ABOVE_${index}`, folder),
    ),
    pins: pinned.map((path, index) => param(`PIN_${index}`, `${workspace}/${path}`)),
    pinFolders: listPinFolders(pinned).map((path, index) =>
      param(`PIN_FOLDER_${index}`, `${workspace}/${path}`),
    ),
  };
  const rules = [
    "(version 1)",
    "(deny default)",
    '(import "system.sb")',
    ...processRules(),
    ...fileRules(place),
    ...(network === "bridge" ? BRIDGE_RULES : NO_NETWORK_RULES),
    // Last, so that nothing above can undo it.
    ...pinRules(place, pinned),
    `(deny network-outbound ${ENGINE_SOCKETS.map((each) => `(regex #"${each}")`).join(" ")})`,
    "(deny file-write-setugid)",
  ];
  return { text: `${rules.join("\n")}\n`, parameters };
}

interface Place {
  workspace: string;
  temporary: string;
  toolchains: readonly string[];
  above: readonly string[];
  pins: readonly string[];
  pinFolders: readonly string[];
}

/** Children have the same profile, and programs with the rights of their owner do not start at all under one. */
function processRules(): string[] {
  return [
    "(allow process-exec)",
    "(allow process-fork)",
    "(deny signal)",
    "(allow signal (target self) (target pgrp) (target same-sandbox))",
    "(deny process-info*)",
    "(allow process-info* (target same-sandbox))",
    "(allow sysctl-read)",
    "(allow ipc-posix-sem)",
    "(allow pseudo-tty)",
    // The system's own profile allows more of them.
    "(deny mach-lookup)",
    `(allow mach-lookup ${SERVICES.map((name) => `(global-name "${name}")`).join(" ")})`,
    "(deny mach-register)",
  ];
}

function fileRules({ workspace, temporary, toolchains, above }: Place): string[] {
  const own = `(subpath ${workspace}) (subpath ${temporary})`;
  const read = [
    ...toolchains.map((folder) => `(subpath ${folder})`),
    ...READABLE.map((path) => `(subpath "${path}")`),
  ];
  return [
    `(allow file-read* (literal "/") ${own} ${read.join(" ")})`,
    `(allow file-read* ${READABLE_FILES.map((path) => `(literal "${path}")`).join(" ")})`,
    '(allow file-read* (regex #"^/dev/fd/[0-9]+$"))',
    // Programs look at the folders above the one they are in; their other contents stay out of sight.
    `(allow file-read-metadata (literal "/tmp") (literal "/var") (literal "/etc") ${above.map((folder) => `(literal ${folder})`).join(" ")})`,
    `(allow file-map-executable (subpath "/System") (subpath "/usr") ${own} ${read.join(" ")})`,
    "(deny file-write*)",
    `(allow file-write* ${own})`,
    '(allow file-write-data file-ioctl (literal "/dev/null") (literal "/dev/zero") (regex #"^/dev/fd/[0-9]+$"))',
  ];
}

const NO_NETWORK_RULES = [
  "(deny network*)",
  "(deny system-socket)",
  // Programs that talk to their own children by a named socket.
  '(allow network-bind network-outbound (subpath (param "TEMPORARY")))',
] as const;

const BRIDGE_RULES = [
  "(allow system-socket)",
  "(allow network-outbound (remote ip))",
  "(allow network-bind network-inbound (local ip))",
  '(allow network-outbound (literal "/private/var/run/mDNSResponder"))',
  '(allow network-bind network-outbound (subpath (param "TEMPORARY")))',
  '(allow mach-lookup (global-name "com.apple.dnssd.service") (global-name "com.apple.trustd.agent"))',
  '(allow file-read* (literal "/private/etc/resolv.conf") (literal "/private/var/run/resolv.conf"))',
] as const;

/**
 * Rules by path also hold for what is not there yet. Neither may a folder above be moved away or put in its place, with anything in
 * it. Disks of a Mac take `.GIT` for `.git`: such spellings are nobody's, and cannot be made at all.
 */
function pinRules({ workspace, pins, pinFolders }: Place, pinned: readonly string[]): string[] {
  // Names without a dot are ordinary ones, which others have too.
  const names = [
    ...new Set(pinned.flatMap((path) => path.split("/")).filter((name) => name.startsWith("."))),
  ];
  const otherSpelling = (name: string): string =>
    `(deny file-write* (require-all (subpath ${workspace}) (regex #"/${toAnyCase(name)}(/|$)") (require-not (regex #"/${quote(name)}(/|$)"))))`;
  return [
    ...pins.map((pin) => `(deny file-write* (subpath ${pin}))`),
    ...pinFolders.map((folder) => `(deny file-write-create file-write-unlink (literal ${folder}))`),
    `(deny file-write-unlink (literal ${workspace}))`,
    ...names.map(otherSpelling),
  ];
}

/** Folders inside the workspace that pinned paths lie in. */
function listPinFolders(pinned: readonly string[]): string[] {
  return [...new Set(pinned.flatMap((path) => listAbove([path])))].filter((path) => path !== ".");
}

/** Every folder above these, each once. */
function listAbove(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    for (let above = dirname(path); !found.has(above); above = dirname(above)) found.add(above);
  }
  return [...found].filter((path) => path !== "/");
}

function toAnyCase(name: string): string {
  return Array.from(name, (letter) =>
    /[a-z]/i.test(letter) ? `[${letter.toLowerCase()}${letter.toUpperCase()}]` : quote(letter),
  ).join("");
}

function quote(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
