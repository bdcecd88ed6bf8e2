import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./_agent.ts";

/** Files `parts/1.txt` and so on, for a model that reads one after another; of 3 KB unless told otherwise. */
export function createParts(place: Place, count: number, text = "some words ".repeat(270)): void {
  mkdirSync(join(place.workspace, "parts"));
  for (let number = 1; number <= count; number += 1)
    writeFileSync(join(place.workspace, `parts/${number}.txt`), `part ${number}\n${text}\n`);
}
