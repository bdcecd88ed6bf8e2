/** The door of the interactive screen. Import it dynamically: it loads the screen library. */
export { createScreen, type InteractiveScreen } from "./create-screen.ts";
export type { ScreenCommand, ScreenController, ScreenProgress, ScreenStatus } from "./controller.ts";
