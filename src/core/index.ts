/** The door of the core: the contracts, the vocabulary and the loop. */
export * from "./approval.ts";
export * from "./define-tool.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./message.ts";
export * from "./model.ts";
export * from "./sandbox.ts";
export * from "./session.ts";
export * from "./todo.ts";
export * from "./tool.ts";
export * from "./output-log.ts";
export * from "./workspace.ts";
