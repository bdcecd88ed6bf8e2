import { request } from "node:http";

/** A container engine that tests may use, and the image of the sandbox in it. */
export interface TestDocker {
  socketPath: string;
  image: string;
}

/** What `scripts/start-test-docker.sh` has set; a reason where it was not started. */
export function findTestDocker(): TestDocker | string {
  const socketPath = process.env["LMAGENT_TEST_DOCKER"];
  const image = process.env["LMAGENT_TEST_IMAGE"];
  if (!socketPath || !image)
    return "LMAGENT_TEST_DOCKER and LMAGENT_TEST_IMAGE are not set; `scripts/start-test-docker.sh npm test` sets them";
  return { socketPath, image };
}

interface ContainerRow {
  Id: string;
  Names: string[];
  Mounts: { Source?: string }[];
}

/** Names of all containers, also stopped ones, that hold a folder of `folder`. */
export async function listContainersOver(folder: string, { socketPath }: TestDocker): Promise<string[]> {
  const rows = (await get("/containers/json?all=1", socketPath)) as ContainerRow[];
  return rows
    .filter(({ Mounts }) => Mounts.some(({ Source = "" }) => Source.startsWith(folder)))
    .map(({ Names, Id }) => Names[0] ?? Id);
}

function get(path: string, socketPath: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, headers: { host: "docker" } }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => (text += part));
      answer.on("end", () => resolve(JSON.parse(text)));
    });
    asked.once("error", reject);
    asked.end();
  });
}
