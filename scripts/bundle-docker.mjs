// esbuild plugin: leaves out of dockerode what we never use and what makes it slow to load: gRPC and protobuf, which it has for BuildKit,
// ssh and TLS for engines on other machines, and packing folders for a build. The client also looks into the environment for an engine;
// ours is always named.
import { readFileSync } from "node:fs";

const FILES = /[\\/](dockerode[\\/]lib[\\/](session|buildkit)|docker-modem[\\/]lib[\\/]ssh)\.js$/;
const PACKAGES = /^(https|tar-fs|@balena\/dockerignore|split-ca)$/;
const OURS = /[\\/](dockerode|docker-modem)[\\/]lib[\\/]/;
const MODEM = /[\\/]docker-modem[\\/]lib[\\/]modem\.js$/;

const NOTHING = {
  contents:
    'module.exports = function () { throw new Error("This part of dockerode is not in the bundle."); };',
  loader: "js",
};

export const bundleDocker = {
  name: "bundle-docker",
  setup(build) {
    build.onLoad({ filter: FILES }, () => NOTHING);
    build.onResolve({ filter: PACKAGES }, ({ path, importer }) =>
      OURS.test(importer) ? { path, namespace: "not-in-docker" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "not-in-docker" }, () => NOTHING);
    build.onLoad({ filter: MODEM }, ({ path }) => ({ contents: withoutEnvironment(path), loader: "js" }));
  },
};

function withoutEnvironment(path) {
  const source = readFileSync(path, "utf8");
  const patched = source.replaceAll("process.env", "({})");
  if (patched === source) throw new Error("docker-modem has changed; look at how it finds an engine again");
  return patched;
}
