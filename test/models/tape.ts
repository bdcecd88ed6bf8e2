import { createRedactor } from "../../src/core/redact.ts";
import type { RecordingEntry, ReplayTransport, Transport } from "../../src/models/index.ts";
import {
  createReplayTransport,
  formatRecordingEntry,
  parseRecording,
  recordingTransport,
} from "../../src/models/index.ts";
import { createHttpTransport } from "../../src/models/node/index.ts";

export interface Tape {
  transport: Transport;
  entries: RecordingEntry[];
  /** As it would stand in a file. */
  file: () => string;
}

/** Records what goes over real HTTP. */
export function record(secrets: readonly string[] = []): Tape {
  const entries: RecordingEntry[] = [];
  const redactor = createRedactor(secrets);
  const transport = recordingTransport(createHttpTransport(), (entry) => entries.push(entry), { redactor });
  return { transport, entries, file: () => entries.map(formatRecordingEntry).join("") };
}

export function replay(tape: Tape): ReplayTransport {
  return createReplayTransport(parseRecording(tape.file()));
}

export function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((thrown: unknown) => thrown);
}
