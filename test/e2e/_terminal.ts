import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BIN, type Place } from "./_agent.ts";

/** The screen as a person sees it, in a terminal of its own. */
export class Terminal implements Disposable {
  readonly #name = `lmagent-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;

  constructor(place: Place, { url, args = [] }: { url: string; args?: readonly string[] }) {
    const env = {
      HOME: join(place.home, ".."),
      LMAGENT_HOME: place.home,
      LLM_URL: url,
      TERM: "xterm-256color",
    };
    const words = Object.entries(env).map(([name, value]) => `${name}='${value}'`);
    const command = [
      "cd",
      `'${place.workspace}'`,
      "&&",
      ...words,
      `'${process.execPath}'`,
      `'${BIN}'`,
      ...args,
      "; echo left with $?; cat",
    ].join(" ");
    this.#tmux("new-session", "-d", "-x", "100", "-y", "40", command);
  }

  type(...keys: readonly string[]): void {
    this.#tmux("send-keys", ...keys);
  }

  screen(lines = 200): string {
    return this.#tmux("capture-pane", "-p", "-S", `-${lines}`);
  }

  /** Waits until the screen shows it. */
  async sees(text: string | RegExp): Promise<string> {
    for (let round = 0; round < 100; round += 1) {
      const screen = this.screen();
      if (typeof text === "string" ? screen.includes(text) : text.test(screen)) return screen;
      await delay(100);
    }
    throw new Error(`never saw ${String(text)}:\n${this.screen()}`);
  }

  [Symbol.dispose](): void {
    this.#tmux("kill-server");
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync("tmux", ["-L", this.#name, ...args], { encoding: "utf8" });
  }
}
