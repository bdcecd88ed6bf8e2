// esbuild plugin: leaves out of dockerode what we never use and what makes it slow to load: gRPC and protobuf, which it has for BuildKit,
// and ssh for engines on other machines. The client also looks into the environment for an engine; ours is always named.
import { readFileSync } from "node:fs";

const LEFT_OUT = /[\\/](dockerode[\\/]lib[\\/](session|buildkit)|docker-modem[\\/]lib[\\/]ssh)\.js$/;
const MODEM = /[\\/]docker-modem[\\/]lib[\\/]modem\.js$/;

export const bundleDocker = {
  name: "bundle-docker",
  setup(build) {
    build.onLoad({ filter: LEFT_OUT }, () => ({
      contents:
        'module.exports = () => { throw new Error("This part of dockerode is not in the bundle."); };',
      loader: "js",
    }));
    build.onLoad({ filter: MODEM }, ({ path }) => ({ contents: withoutEnvironment(path), loader: "js" }));
  },
};

function withoutEnvironment(path) {
  const source = readFileSync(path, "utf8");
  const patched = source.replaceAll("process.env", "({})");
  if (patched === source) throw new Error("docker-modem has changed; look at how it finds an engine again");
  return patched;
}
