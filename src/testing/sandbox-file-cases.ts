/** What the files are like that commands leave in the workspace: their owner's, and nothing that gives rights to whoever runs them. */
import assert from "node:assert/strict";
import { lstatSync, readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { SandboxBox, SandboxCase } from "./sandbox.ts";

/** Set-user-ID and set-group-ID, see inode(7). */
const RIGHTS_BITS = 0o6000;

/** Every way to make a file with these bits. */
const SUID_PROBE = String.raw`
import ctypes, os, platform, shutil, stat, struct, tarfile
libc = ctypes.CDLL(None, use_errno=True)
x64 = platform.machine() == "x86_64"
call = lambda number, *arguments: libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
def make(name):
    shutil.copyfile("/bin/sh", name)
    os.chmod(name, 0o755)
    return os.open(name, os.O_RDONLY)
ways = {
    "chmod": lambda name: (make(name), os.chmod(name, 0o4755)),
    "chmod of the group": lambda name: (make(name), os.chmod(name, 0o2755)),
    "chmod with high bits": lambda name: (make(name), call(90 if x64 else 53, *(() if x64 else (-100,)), name.encode(), 0xFFFF0000 | 0o4755)),
    "fchmod": lambda name: os.fchmod(make(name), 0o6755),
    "fchmodat": lambda name: (make(name), call(268 if x64 else 53, -100, name.encode(), 0o4755)),
    "fchmodat2": lambda name: (make(name), call(452, -100, name.encode(), 0o4755, 0)),
    "open": lambda name: os.open(name, os.O_CREAT | os.O_WRONLY, 0o4755),
    "openat with high bits": lambda name: call(257 if x64 else 56, -100, name.encode(), os.O_CREAT | os.O_WRONLY | 1 << 40, 0o4755 | 1 << 40),
    "creat": lambda name: call(85, name.encode(), 0o4755) if x64 else None,
    "old open": lambda name: call(2, name.encode(), os.O_CREAT | os.O_WRONLY, 0o4755) if x64 else None,
    "openat2": lambda name: call(437, -100, name.encode(), ctypes.create_string_buffer(struct.pack("QQQ", os.O_CREAT | os.O_WRONLY, 0o4755, 0)), 24),
    "temporary": lambda name: libc.linkat(-100, b"/proc/self/fd/%d" % os.open(".", os.O_TMPFILE | os.O_RDWR, 0o4755), -100, name.encode(), 0x400),
    "mknod": lambda name: os.mknod(name, stat.S_IFREG | 0o4755),
    "old mknod": lambda name: call(133, name.encode(), stat.S_IFREG | 0o4755, 0) if x64 else None,
    "attributes": lambda name: (make(name), os.setxattr(name, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))),
}
for name, way in ways.items():
    try: way(name)
    except OSError: pass
with tarfile.open("archive.tar", "w") as archive:
    entry = tarfile.TarInfo("from tar"); entry.mode = 0o4755
    archive.addfile(entry)
`;

export const FILE_CASES: readonly SandboxCase[] = [
  { title: "leaves no file that gives its owner's rights to whoever runs it", check: checkRightsBits },
  { title: "makes files that belong to the owner of the workspace", check: checkOwnership },
];

async function checkRightsBits({ run, workspace }: SandboxBox): Promise<void> {
  await run(["python3", "-c", SUID_PROBE]);
  const programs = [
    "install -m 4755 /bin/sh installed",
    "install -m 6755 -d folder",
    "cp -p $(find /usr/bin -perm /6000 | head -1) copied",
    "cp /bin/sh shell; chmod u+s shell; chmod g+s shell; chmod 7777 shell",
    "tar xpf archive.tar; tar --same-permissions -xf archive.tar",
    "umask 0; mkdir -m 6777 wide",
    'perl -e \'open F, ">", "by perl"; chmod 04755, "by perl"\'',
  ];
  for (const program of programs) await run(program);
  const found = readdirSync(workspace, { recursive: true, encoding: "utf8" })
    .filter((name) => !name.startsWith(".lmagent"))
    .map((name) => ({ name, stats: lstatSync(join(workspace, name)) }))
    .filter(({ stats }) => stats.isFile() && (stats.mode & RIGHTS_BITS) !== 0);
  assert.deepEqual(
    found.map(({ name }) => name),
    [],
  );
  const attributes = await run(["python3", "-c", "import os; print(os.listxattr('attributes'))"]);
  assert.doesNotMatch(attributes.stdout, /capability/);
  const usual =
    "install -m 755 /bin/sh tool && cp -p tool tool2 && chmod 700 tool2 && tar cf t.tar tool && tar xpf t.tar && ./tool -c 'echo runs'";
  assert.equal((await run(usual)).stdout, "runs\n");
}

async function checkOwnership({ run, workspace, put }: SandboxBox): Promise<void> {
  const { uid, gid } = statSync(workspace);
  await run("umask; echo made > made; mkdir -p folder/deep; echo x > folder/deep/file; ln -s made link");
  for (const name of ["made", "folder", "folder/deep", "folder/deep/file", "link"]) {
    const stats = lstatSync(join(workspace, name));
    assert.deepEqual([stats.uid, stats.gid], [uid, gid], name);
  }
  assert.equal(statSync(`${workspace}/made`).mode & 0o777, 0o644);
  // What the user makes with an editor can be changed inside, and the reverse.
  await put("folder/given", "given\n");
  assert.equal((await run("echo more >> folder/given && stat -c %u:%g folder/given && rm made")).exitCode, 0);
  assert.equal(readFileSync(`${workspace}/folder/given`, "utf8"), "given\nmore\n");
}
