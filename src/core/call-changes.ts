/** Tells the recorder of changes before and after every call that can change files. */
import type { CallOptions, ReadyCall } from "./call-options.ts";
import { errorMessage } from "./errors.ts";
import type { AgentEvent } from "./events.ts";
import { NO_REDACTION } from "./redact.ts";

/** `writes`: the files it names; `undefined` for whatever it likes. The whole is absent for a call that changes no files. */
function changesOf({ tool, preview }: ReadyCall): { writes: readonly string[] | undefined } | undefined {
  const { access } = tool;
  if (access === "read" || access === "control" || preview?.harmless === true) return undefined;
  return { writes: access === "write" ? preview?.writes : undefined };
}

/** After approval and before the start. The name of a new checkpoint comes out first, so that a killed run can still be undone. */
export async function* recordBefore(
  ready: readonly ReadyCall[],
  options: CallOptions,
): AsyncGenerator<AgentEvent, void> {
  const { changes, signal } = options;
  if (changes === undefined) return;
  for (const item of ready) {
    const changing = changesOf(item);
    if (changing === undefined || signal.aborted) continue;
    const had = changes.changed;
    const said = await quietly(() => changes.before(changing.writes, { signal }));
    if (!had && changes.changed) yield { type: "checkpoint_made", id: changes.id };
    if (said !== undefined) yield toWarning(said, options);
  }
}

export async function recordAfter(
  item: ReadyCall,
  options: CallOptions,
  emit: (event: AgentEvent) => void,
): Promise<void> {
  const { changes } = options;
  const changing = changesOf(item);
  if (changes === undefined || changing === undefined) return;
  const said = await quietly(() => changes.after(changing.writes));
  if (said !== undefined) emit(toWarning(said, options));
}

function toWarning(said: string, { redactor = NO_REDACTION }: CallOptions): AgentEvent {
  return { type: "warning", code: "checkpoint_incomplete", message: redactor.text(said) };
}

/** A recorder that breaks is no reason not to run what was allowed. */
async function quietly(record: () => Promise<string | undefined>): Promise<string | undefined> {
  try {
    return await record();
  } catch (error) {
    return `This call cannot be undone: ${errorMessage(error)}`;
  }
}
