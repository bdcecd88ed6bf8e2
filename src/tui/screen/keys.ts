import { isKeyRelease, matchesKey } from "@mariozechner/pi-tui";

/** What a key means to the screen itself; everything else belongs to the input or to the question. */
export type KeyAction =
  | "interrupt_or_leave"
  | "leave"
  | "interrupt"
  | "details"
  | "redraw"
  | "suspend"
  | "new_line";

export interface KeyContext {
  isAsking: boolean;
  isRunning: boolean;
  isInputEmpty: boolean;
  isCompleting: boolean;
  /** Whether this process can be stopped and continued by a shell. */
  canSuspend: boolean;
}

export function readKey(data: string, context: KeyContext): KeyAction | undefined {
  if (isKeyRelease(data)) return undefined;
  if (matchesKey(data, "ctrl+c")) return "interrupt_or_leave";
  if (matchesKey(data, "ctrl+o")) return "details";
  if (matchesKey(data, "ctrl+z") && context.canSuspend) return "suspend";
  if (context.isAsking) return undefined;
  if (matchesKey(data, "ctrl+l")) return "redraw";
  if (matchesKey(data, "ctrl+d") && context.isInputEmpty) return "leave";
  if (matchesKey(data, "escape") && context.isRunning && !context.isCompleting) return "interrupt";
  // Terminals that report modifiers send these as sequences that the input does not know.
  if (matchesKey(data, "alt+enter") || matchesKey(data, "ctrl+enter")) return "new_line";
  return undefined;
}

const IDLE_HINT = "/ commands · @ files · alt+enter new line · ctrl+o details · ctrl+d leave";
const RUNNING_HINT = "enter tells the agent now · >> afterwards · esc interrupts · ctrl+o details";
const ASKING_HINT = "ctrl+c interrupts · ctrl+o details";

export function toHint({ isAsking, isRunning }: Pick<KeyContext, "isAsking" | "isRunning">): string {
  if (isAsking) return ASKING_HINT;
  return isRunning ? RUNNING_HINT : IDLE_HINT;
}
