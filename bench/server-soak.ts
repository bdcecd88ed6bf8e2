/** Many clients for a long time: what they are answered, and whether memory comes back. */
import { setTimeout as delay } from "node:timers/promises";
import { LOAD, words } from "./server-pairs.ts";
import type { Row } from "./server-pairs.ts";
import { residentBytes, startOwn } from "./server-subjects.ts";
import type { OwnSubject } from "./server-subjects.ts";

const CLIENTS = 200;

export async function measureSoak(modelPath: string, seconds: number): Promise<Row[]> {
  const own = await startOwn(modelPath, LOAD);
  try {
    // Heaps, slots and caches have reached their size after that, so what grows from there on is lost.
    await run(own, seconds);
    const before = await settledBytes(own);
    const counts = await run(own, seconds);
    const after = await settledBytes(own);
    return [...toStatusRows(counts), ...toMemoryRows(before, after)];
  } finally {
    await own.stop();
  }
}

type Counts = Map<string, number>;

async function run(own: OwnSubject, seconds: number): Promise<Counts> {
  const counts: Counts = new Map();
  const until = Date.now() + seconds * 1000;
  const client = async (index: number): Promise<void> => {
    for (let turn = 0; Date.now() < until; turn += 1) {
      const outcome = await askOnce(own, `${index} ${turn}`, (index + turn) % 10 === 0);
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      // As a client does that is told to come back later.
      if (outcome === "429") await delay(50);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(index)));
  return counts;
}

/** One in ten goes away in the middle. */
async function askOnce({ url, model }: OwnSubject, topic: string, leaves: boolean): Promise<string> {
  const abort = new AbortController();
  if (leaves) setTimeout(() => abort.abort(), 30);
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model,
        messages: [{ role: "user", content: words(topic, 60) }],
        max_tokens: 8,
        stream: true,
      }),
      signal: abort.signal,
    });
    const text = await response.text();
    if (response.status !== 200) return String(response.status);
    return text.includes('"error"') ? "error in the stream" : "200";
  } catch (thrown) {
    return abort.signal.aborted ? "left" : `failed: ${String(thrown)}`;
  }
}

async function settledBytes({ httpPid, enginePid }: OwnSubject): Promise<[number, number]> {
  await delay(3000);
  return [residentBytes(httpPid), residentBytes(enginePid)];
}

function toStatusRows(counts: Counts): Row[] {
  const harmless = new Set(["200", "429", "left"]);
  const all = [...counts].map(([outcome, count]) => `${outcome}: ${count}`).join(", ");
  const errors = [...counts].reduce((sum, [outcome, count]) => sum + (harmless.has(outcome) ? 0 : count), 0);
  return [{ name: `${CLIENTS} clients, errors but 429`, value: errors, unit: "", most: 0, detail: all }];
}

function toMemoryRows(before: [number, number], after: [number, number]): Row[] {
  return ["HTTP process", "engine process"].map((name, at) => {
    const [was, is] = [before[at] ?? 0, after[at] ?? 0];
    const detail = `${(was / 1e6).toFixed(0)} to ${(is / 1e6).toFixed(0)} MB`;
    return { name: `${name}, memory after to before`, value: is / was, unit: "x", most: 1.05, detail };
  });
}
