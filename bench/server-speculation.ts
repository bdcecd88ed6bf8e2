/** Where guessing ahead pays: text that repeats what is in the prompt, and text that does not. */
import { ask } from "./server-client.ts";
import { LOAD, median, words } from "./server-pairs.ts";
import type { Row } from "./server-pairs.ts";
import { findRandomModel } from "./random-model.ts";
import { startOwn } from "./server-subjects.ts";
import type { OwnSubject } from "./server-subjects.ts";

const RUNS = 5;
const TOKENS = 64;

/** A model of random weights soon repeats itself, as a real one does that copies a file; the practice model writes something new. */
export async function measureSpeculation(practiceModel: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, modelPath] of [
    ["text that repeats", await findRandomModel()],
    ["the practice model", practiceModel],
  ] as const) {
    const plain = await startOwn(modelPath, LOAD);
    const guessing = await startOwn(modelPath, { ...LOAD, speculation: { type: "lookup" } });
    try {
      rows.push(await compare(name, plain, guessing));
    } finally {
      await plain.stop();
      await guessing.stop();
    }
  }
  return rows;
}

async function compare(name: string, plain: OwnSubject, guessing: OwnSubject): Promise<Row> {
  const ratios: number[] = [];
  let same = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const question = {
      messages: [{ role: "user" as const, content: words(`guess ${run}`, 40) }],
      maxTokens: TOKENS,
    };
    const [without, ahead] = [await ask(plain, question), await ask(guessing, question)];
    ratios.push(without.restMs / ahead.restMs);
    if (without.text === ahead.text) same += 1;
  }
  const detail = `the same text in ${same} of ${RUNS}`;
  return { name: `guessing from the context, ${name}`, value: median(ratios), unit: "x", detail };
}
