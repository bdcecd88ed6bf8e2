import { chownSync, lstatSync } from "node:fs";
import type { Folder } from "./folder.ts";

export interface Owner {
  uid: number;
  gid: number;
}

/** Who should own what is made in a folder. Only root can and must give things away; everybody else makes their own. */
export function ownerIn(folder: Folder): Owner | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const { uid, gid } = lstatSync(`${folder.path}/.`);
  return uid === 0 ? undefined : { uid, gid };
}

/** Gives a folder just made to the owner of the one it is in, so that commands run as that user can work in it. */
export function giveToOwner(parent: Folder, name: string): void {
  const owner = ownerIn(parent);
  if (!owner) return;
  const made = parent.open(name);
  try {
    chownSync(`${made.path}/.`, owner.uid, owner.gid);
  } finally {
    made.close();
  }
}
