import { request } from "node:http";

/** A container engine that tests may use, and an image with `llama-server` in it. */
export interface TestLlamaImage {
  socketPath: string;
  image: string;
}

/** What `scripts/start-test-docker.sh` has set; a reason where it was not started. */
export function findTestLlamaImage(): TestLlamaImage | string {
  const socketPath = process.env["LMAGENT_TEST_DOCKER"];
  const image = process.env["LMAGENT_TEST_LLAMA_IMAGE"];
  if (!socketPath || !image)
    return "LMAGENT_TEST_DOCKER and LMAGENT_TEST_LLAMA_IMAGE are not set; `scripts/start-test-docker.sh npm test` sets them";
  return { socketPath, image };
}

/** Names of all containers, also stopped ones, that begin with this. */
export async function listContainers(prefix: string, socketPath: string): Promise<string[]> {
  const rows = (await askDocker("/containers/json?all=1", socketPath)) as { Names: string[] }[];
  return rows
    .flatMap(({ Names }) => Names.map((name) => name.slice(1)))
    .filter((name) => name.startsWith(prefix));
}

/** What the engine answers, as JSON; nothing for an empty answer. */
export function askDocker(path: string, socketPath: string, method = "GET"): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, method, headers: { host: "docker" } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => (text += part));
      answer.on("end", () => resolve(text === "" ? undefined : JSON.parse(text)));
    });
    asked.once("error", reject);
    asked.end();
  });
}
