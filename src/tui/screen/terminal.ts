import { ProcessTerminal, type Terminal } from "@mariozechner/pi-tui";

/** What the screen library writes before it draws everything again: erase the screen, home, erase the scrollback. */
const CLEAR_ALL = "\u001b[2J\u001b[H\u001b[3J";
/** `ProcessTerminal` asks for extended key reports this long after its start, even when it was stopped before. */
const KEY_REPORTS_MS = 200;

export interface ScreenTerminal extends Terminal {
  /** Between `start` and `stop`. */
  readonly isActive: boolean;
  /** Resolves when nothing more is written behind our back. */
  settled(): Promise<void>;
}

/**
 * The user's scrollback is theirs: where the screen library would erase it, only the lines on the screen are erased,
 * one by one, since an erased screen would be pushed into the scrollback by some terminals.
 */
export function createScreenTerminal(inner: Terminal = new ProcessTerminal()): ScreenTerminal {
  let startedAt: number | undefined;
  let active = false;
  const write = (data: string) => {
    const start = data.indexOf(CLEAR_ALL);
    if (start === -1) return inner.write(data);
    const clear = `\u001b[H${"\u001b[2K\u001b[1B".repeat(inner.rows)}\u001b[H`;
    inner.write(data.slice(0, start) + clear + data.slice(start + CLEAR_ALL.length));
  };
  return {
    get isActive() {
      return active;
    },
    get columns() {
      return inner.columns;
    },
    get rows() {
      return inner.rows;
    },
    get kittyProtocolActive() {
      return inner.kittyProtocolActive;
    },
    start(onInput, onResize) {
      startedAt ??= performance.now();
      active = true;
      inner.start(onInput, onResize);
    },
    stop() {
      active = false;
      inner.stop();
    },
    async settled() {
      const left = startedAt === undefined ? 0 : KEY_REPORTS_MS - (performance.now() - startedAt);
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
    },
    write,
    drainInput: (maxMs, idleMs) => inner.drainInput(maxMs, idleMs),
    moveBy: (lines) => inner.moveBy(lines),
    hideCursor: () => inner.hideCursor(),
    showCursor: () => inner.showCursor(),
    clearLine: () => inner.clearLine(),
    clearFromCursor: () => inner.clearFromCursor(),
    clearScreen: () => inner.clearScreen(),
    setTitle: (title) => inner.setTitle(title),
    setProgress: (isActive) => inner.setProgress(isActive),
  };
}
