/** Names that others chose, before they become names of files of ours. */

/** Leaves room for the endings of our own files beside it. */
const NAME_BYTES = 200;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[\u0000-\u001f\u007f<>:"|?*\\/]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Can be the name of one file or folder on every system that this runs on. */
export function isSafeName(name: string): boolean {
  return (
    name !== "" &&
    !FORBIDDEN.test(name) &&
    !/^[.\-~ ]|[. ]$/.test(name) &&
    !WINDOWS_DEVICE.test(name) &&
    Buffer.byteLength(name) <= NAME_BYTES
  );
}

/** A path inside a repository whose every step is a safe name. */
export function isSafePath(path: string): boolean {
  return path.split("/").every(isSafeName);
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
