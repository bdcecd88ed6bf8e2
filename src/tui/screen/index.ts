/** The door of the interactive screen. Import it dynamically: it loads the screen library. */
export { createScreen, type InteractiveScreen, type ScreenOptions } from "./create-screen.ts";
export type {
  ScreenCommand,
  ScreenController,
  ScreenHistory,
  ScreenOutput,
  ScreenStatus,
} from "./controller.ts";
