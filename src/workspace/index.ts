/** The door of the workspace: one folder, and no way out of it. */
export { openWorkspace, type OpenWorkspaceOptions } from "./open.ts";
