/** A process that starts a container, tells that it runs, and then ends as it is told: by a signal, or by itself. */
import { ContainerManager } from "../../src/engine/containers/index.ts";

const [socketPath = "", image = "", prefix = "", modelPath = "", end = ""] = process.argv.slice(2);
const containers = new ContainerManager({ socketPath, image, prefix, modelsFolder: "/nowhere" });
if (end !== "killed") containers.stopOnExit();
await containers.startModelContainer(modelPath);
process.stdout.write("running\n");
if (end === "exit") process.exit(0);
setInterval(() => {}, 60_000);
