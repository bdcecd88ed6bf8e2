#!/usr/bin/env bash
# Runs a command beside a private Docker engine that holds the sandbox image and one with llama.cpp's own server, and takes all of it
# away again:
#
#     scripts/start-test-docker.sh npx vitest run test/sandbox
#
# Without a command it prints the variables that tests and benchmarks look for, and stays until it is interrupted.
# Needs root, dockerd, debootstrap and the network; touches no other engine. Everything is in a new folder below /var/tmp.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"
suite=bookworm
image=lmagent-sandbox:test
llama_image=lmagent-llama-server:test
if [ "$(id -u)" -ne 0 ]; then
  echo "A private Docker engine needs root; run this with sudo." >&2
  exit 1
fi
for tool in dockerd docker debootstrap; do
  if ! command -v "$tool" >/dev/null; then
    echo "\`$tool\` is missing; \`bash scripts/install-test-tools.sh\` installs it." >&2
    exit 1
  fi
done

folder=$(mktemp -d /var/tmp/lmagent-docker-XXXXXX)
# Users of the socket's group pass through it.
chmod 755 "$folder"
socket="$folder/docker.sock"
export DOCKER_CONFIG="$folder/client"
unset DOCKER_HOST DOCKER_CONTEXT
engine=""

clean_up() {
  local code=$?
  trap - EXIT INT TERM
  set +e
  if [ -n "$engine" ]; then
    kill -TERM "$engine" 2>/dev/null
    for _ in $(seq 100); do
      kill -0 "$engine" 2>/dev/null || break
      sleep 0.2
    done
    kill -KILL "$engine" 2>/dev/null
    wait "$engine" 2>/dev/null
  fi
  # Innermost first.
  awk -v below="$folder/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mounted; do
    umount -l "$mounted"
  done
  rm -rf --one-file-system "$folder"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "$1" >&2
  tail -n 40 "$2" >&2
  exit 1
}

dockerd --iptables=false --bridge=none --host "unix://$socket" --data-root "$folder/data" --exec-root "$folder/exec" \
  --pidfile "$folder/engine.pid" >"$folder/engine.log" 2>&1 </dev/null &
engine=$!
docker() { command docker --host "unix://$socket" "$@"; }
for _ in $(seq 150); do
  docker version >/dev/null 2>&1 && break
  kill -0 "$engine" 2>/dev/null || fail "The private Docker engine ended at once:" "$folder/engine.log"
  sleep 0.2
done
docker version >/dev/null 2>&1 || fail "The private Docker engine does not answer:" "$folder/engine.log"

# The server comes from another suite, so it is fetched beside what follows.
bash scripts/fetch-llama-server.sh "$folder/llama" >"$folder/llama.log" 2>&1 &
fetching=$!

# Debian with this machine's Node, like the base that the Dockerfile names, but without a registry. The packages that the
# Dockerfile wants come along, so that its own step finds them there.
packages=$(sed -n '/apt-get install/,/&&/p' docker/sandbox/Dockerfile | grep -v '&&\|apt-get' | tr -d '\\\n' | xargs | tr ' ' ,)
debootstrap --variant=minbase --include="${packages:-bash}" "$suite" "$folder/root" \
  >"$folder/base.log" 2>&1 || fail "The base of the image could not be made:" "$folder/base.log"
install -m 755 "$(node -p process.execPath)" "$folder/root/usr/local/bin/node"
tar -C "$folder/root" --exclude='./var/cache/apt/archives/*.deb' --exclude='./dev/*' -c . |
  docker import - lmagent-sandbox-base:test >/dev/null
rm -rf --one-file-system "$folder/root"
DOCKER_BUILDKIT=0 docker build --network host --build-arg BASE=lmagent-sandbox-base:test --tag "$image" docker/sandbox \
  >"$folder/image.log" 2>&1 || fail "The image could not be built:" "$folder/image.log"

wait "$fetching" || fail "llama.cpp's server could not be fetched:" "$folder/llama.log"
# As the official image starts it; see src/engine/containers.
tar -C "$folder/llama/root" -c . |
  docker import --change 'ENTRYPOINT ["llama-server"]' --change 'ENV PATH=/usr/bin' - "$llama_image" >/dev/null

export LMAGENT_TEST_DOCKER="$socket" LMAGENT_TEST_IMAGE="$image"
export LMAGENT_TEST_LLAMA_IMAGE="$llama_image" LMAGENT_TEST_LLAMA_SERVER="$folder/llama/llama-server"
if [ $# -gt 0 ]; then
  "$@"
else
  echo "export LMAGENT_TEST_DOCKER=$LMAGENT_TEST_DOCKER LMAGENT_TEST_IMAGE=$LMAGENT_TEST_IMAGE \\"
  echo "  LMAGENT_TEST_LLAMA_IMAGE=$LMAGENT_TEST_LLAMA_IMAGE LMAGENT_TEST_LLAMA_SERVER=$LMAGENT_TEST_LLAMA_SERVER"
  echo "The engine stays until this is interrupted." >&2
  # In the background, so that a signal ends the waiting at once.
  sleep infinity &
  wait $!
fi
