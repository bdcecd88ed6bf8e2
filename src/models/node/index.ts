/** The transport for Node. */
export { createHttpTransport } from "./http-transport.ts";
export type { HttpTransportOptions } from "./http-transport.ts";
