/** `lmagent models`: the model files of this machine. `get` is in `download.ts`. */
export { estimateModel } from "./models/estimate.ts";
export { importModel } from "./models/import.ts";
export { listModels } from "./models/list.ts";
export { removeModel } from "./models/remove.ts";
export { showModel } from "./models/show.ts";
