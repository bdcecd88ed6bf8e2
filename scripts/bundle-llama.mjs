// esbuild plugin: puts the JavaScript of node-llama-cpp into the engine child. One file instead of 650 to open is most of the way to the
// first token. Binaries and package data stay where npm put them. See docs/decisions/0004-bundled-llama.md.
import { readFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

const INDEX = resolvePackage();

/** Needed for downloads, builds and the package's own command line only, none of which we use. */
const LEFT_OUT =
  /^(ipull|@reflink\/.*|simple-git|octokit|cmake-js|yargs|ora|pretty-ms|async-retry|cli-spinners|log-symbols|stdout-update)$/;

/** False where the optional package was not installed; the engine then says so when it is started. */
export const hasLlama = INDEX !== undefined;

export const bundleLlama = {
  name: "bundle-llama",
  setup(build) {
    build.onLoad({ filter: /node-llama-cpp[\\/]dist[\\/].*\.js$/ }, ({ path }) => {
      const place = JSON.stringify(relative(dirname(INDEX), path).replaceAll("\\", "/"));
      const source = readFileSync(path, "utf8").replaceAll(
        "import.meta.url",
        `new URL(${place}, import.meta.resolve("node-llama-cpp")).href`,
      );
      return {
        contents: path.endsWith("testBindingBinary.js") ? withoutCpuTest(source) : source,
        loader: "js",
      };
    });
    build.onResolve({ filter: LEFT_OUT }, ({ path }) => ({ path, namespace: "left-out" }));
    build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({
      contents:
        'module.exports = new Proxy(function () {}, { get: (target, key) => (key === "__esModule" ? false : target) });',
      loader: "js",
    }));
  },
};

function resolvePackage() {
  try {
    return fileURLToPath(import.meta.resolve("node-llama-cpp"));
  } catch {
    return undefined;
  }
}

/** The package tries each binary in a process of its own first. For the processor there is no other to fall back to, and a crash ends only the engine child. */
function withoutCpuTest(source) {
  const patched = source.replace(
    /(export async function testBindingBinary\([^)]*\bgpu\b[^)]*\) \{)/,
    "$1\n    if (gpu === false) return true;",
  );
  if (patched === source)
    throw new Error("testBindingBinary of node-llama-cpp has changed; look at it again");
  return patched;
}
