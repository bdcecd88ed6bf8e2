import { appendFileSync, closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { AgentError, errorMessage, errnoOf } from "../core/errors.ts";
import type { Redactor } from "../core/redact.ts";
import {
  formatRecordingEntry,
  recordingTransport,
  type RecordingEntry,
  type Transport,
} from "../models/index.ts";

/**
 * A new file for what passes between the agent and its model server, open until the process ends. Returns what has a transport recorded.
 * Throws `AgentError` `storage_failed`.
 */
export function openRecording(
  folder: string,
  { redactor, onProblem }: { redactor: Redactor; onProblem: (message: string) => void },
): (transport: Transport) => Transport {
  const path = join(folder, `${new Date().toISOString().replaceAll(":", "-")}.jsonl`);
  const file = open(path);
  let isOpen = true;
  const write = (entry: RecordingEntry): void => {
    if (!isOpen) return;
    try {
      appendFileSync(file, formatRecordingEntry(entry));
    } catch (error) {
      isOpen = false;
      closeSync(file);
      onProblem(`The recording \`${path}\` ends here: ${errorMessage(error)}`);
    }
  };
  return (transport) => recordingTransport(transport, write, { redactor });
}

function open(path: string): number {
  try {
    return openSync(path, "wx", 0o600);
  } catch (error) {
    throw new AgentError(
      "storage_failed",
      `The recording \`${path}\` cannot be made: ${errorMessage(error)}. Make room for it, or leave \`--record\` out.`,
      {
        cause: error,
        data: { path, errno: errnoOf(error) },
      },
    );
  }
}
