/** What commands can reach over sockets: each other, and nothing of the machine or beyond. */
import assert from "node:assert/strict";
import { chmod } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { uniqueDigits } from "./running-commands.ts";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

/** Tries every way out for two seconds at most and prints the names of those that worked. Addresses from RFC 5737 and RFC 3849. */
const NETWORK_PROBE = String.raw`
import json, socket, sys, threading, time
port, outside, abstract = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def connect(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as made:
        made.settimeout(2)
        made.connect(address)
        if kind == socket.SOCK_DGRAM: made.send(b"x")
def send(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as made: made.sendto(b"x", address)
def make(family, kind, protocol=0):
    socket.socket(family, kind, protocol).close()
ways = {
    "tcp to the machine": lambda: connect(socket.AF_INET, ("127.0.0.1", port)),
    "tcp to the machine, version 6": lambda: connect(socket.AF_INET6, ("::ffff:127.0.0.1", port)),
    "tcp to the machine, any address": lambda: connect(socket.AF_INET, ("0.0.0.0", port)),
    "tcp to its bridge": lambda: connect(socket.AF_INET, ("172.17.0.1", port)),
    "tcp outward": lambda: connect(socket.AF_INET, ("192.0.2.1", 80)),
    "tcp outward, version 6": lambda: connect(socket.AF_INET6, ("2001:db8::1", 80)),
    "tcp to the cloud's metadata": lambda: connect(socket.AF_INET, ("169.254.169.254", 80)),
    "udp outward": lambda: send(socket.AF_INET, ("192.0.2.1", 53)),
    "udp outward, version 6": lambda: send(socket.AF_INET6, ("2001:db8::1", 53)),
    "broadcast": lambda: send(socket.AF_INET, ("255.255.255.255", 9)),
    "multicast": lambda: send(socket.AF_INET, ("224.0.0.251", 5353)),
    "name": lambda: socket.getaddrinfo("example.com", 80),
    "host name of containers": lambda: socket.getaddrinfo("host.docker.internal", 80),
    "icmp": lambda: connect(socket.AF_INET, ("192.0.2.1", 0), socket.SOCK_RAW),
    "unix socket outside": lambda: connect(socket.AF_UNIX, outside),
    "abstract socket": lambda: connect(socket.AF_UNIX, "\0" + abstract),
    "packets": lambda: make(socket.AF_PACKET, socket.SOCK_RAW),
    "virtual machine": lambda: make(40, socket.SOCK_STREAM),
    "kernel's ciphers": lambda: make(38, socket.SOCK_SEQPACKET),
    "bluetooth": lambda: make(31, socket.SOCK_RAW, 1),
    "kernel's keys": lambda: make(15, socket.SOCK_RAW, 2),
    "tipc": lambda: make(30, socket.SOCK_STREAM),
    "raw": lambda: make(socket.AF_INET, socket.SOCK_RAW, 1),
    "netfilter": lambda: make(socket.AF_NETLINK, socket.SOCK_RAW, 12),
}
worked = []
def attempt(name, way):
    try:
        way()
        worked.append(name)
    except OSError: pass
began = time.time()
threads = [threading.Thread(target=attempt, args=pair) for pair in ways.items()]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps({"worked": worked, "took": time.time() - began}))
`;

export const NETWORK_CASES: readonly SandboxCase[] = [
  { title: "reaches no server of this machine and no network", check: checkNetwork },
  {
    title: "lets programs inside talk to each other over the loopback",
    async check({ run }) {
      const both = `import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
client.send(b"through")
print(server.accept()[0].recv(9).decode())`;
      const said = await run(["python3", "-c", both]);
      assert.equal(said.stdout, "through\n", said.stderr);
    },
  },
  {
    title: "shows no socket of the machine's services",
    async check({ run }) {
      const known = [
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/containerd/containerd.sock",
        "/run/dbus/system_bus_socket",
        "/run/systemd/private",
        "/run/user",
        "/tmp/.X11-unix",
        "/tmp/ssh-*",
      ];
      assert.equal((await run(`ls -d ${known.join(" ")}`)).stdout, "");
      assert.equal((await run("find / -xdev -type s -not -path '/proc/*'")).stdout, "");
    },
  },
];

async function checkNetwork({ run, outside }: SandboxBox): Promise<void> {
  // So that package managers do not try until the time is up.
  assert.equal((await run('echo "$npm_config_offline $PIP_RETRIES"')).stdout, "true 0\n");
  let connections = 0;
  const listen = (at: { port: number; host: string } | { path: string }): Promise<Server> =>
    new Promise((resolve, reject) => {
      const server = createServer((socket) => {
        connections += 1;
        socket.end();
      });
      server.once("error", reject);
      server.listen(at, () => resolve(server));
    });
  const abstract = `lmagent-test-${uniqueDigits()}`;
  const open = await listen({ port: 0, host: "0.0.0.0" });
  const servers = [
    open,
    await listen({ path: `${outside}/socket` }),
    ...(process.platform === "linux" ? [await listen({ path: `\0${abstract}` })] : []),
  ];
  try {
    await chmod(`${outside}/socket`, 0o777);
    const { port } = open.address() as AddressInfo;
    const said = await run(["python3", "-c", NETWORK_PROBE, String(port), `${outside}/socket`, abstract]);
    const { worked, took } = JSON.parse(said.stdout || '{"worked":["no answer"]}') as {
      worked: string[];
      took: number;
    };
    assert.deepEqual([worked, connections], [[], 0], said.stderr);
    assert.ok(took < 3, `refusals took ${took} s`);
    // Of all network devices only its own loopback is there.
    assert.match((await run("tail -n +3 /proc/net/dev")).stdout, /^\s*lo:[^\n]*\n$/);
    assert.doesNotMatch((await run("cat /proc/net/unix /proc/net/tcp")).stdout, new RegExp(abstract));
  } finally {
    for (const server of servers) server.close();
  }
}
