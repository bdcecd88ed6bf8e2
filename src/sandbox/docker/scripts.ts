/**
 * The shell programs that run inside. None starts another program where the shell itself can do the work: with all processes of the
 * container in use they still have to work, and a command costs little that way.
 */

/**
 * The first process (bash): collects what has lost its parent, which bash does while it waits for input. On USR1 it ends everything
 * else, and says so. Its input is held open by the agent; when the agent is gone, however it went, it ends, and with it the container.
 */
export const FIRST_PROCESS = `trap 'exit 0' TERM INT HUP
trap 'kill -9 -1; echo done' USR1
while read -r _; do :; done
exit 0`;

/** What a runner says once it is ready, after its secret: whether anything is left of commands before it, and its process number. */
export const READY = "R";
/** A command has been taken. */
export const BEGUN = "B";
/** There is no such folder to start in. */
export const NO_FOLDER = "F";
/** The command has ended: exit code, memory kills, refused processes, and whether anything is left that the next would find. */
export const ENDED = "E";

/**
 * Read by the runner (any POSIX shell) from its input, followed by one line per command, which calls `lm_run`. The shell is told to
 * ignore what a command may send to its whole group. Descriptor 3 is the error stream; the shell's own messages go nowhere.
 *
 * Output is opened anew for each command: what a program sets on its output, such as not to block, stays on what it was given.
 */
const RUNNER = `exec 3>&2 2>/dev/null
trap '' HUP INT QUIT ALRM TERM USR1 USR2
unset HOSTNAME CDPATH ENV
for lm_folder in /sys/fs/cgroup /sys/fs/cgroup/memory; do
  [ -r $lm_folder/memory.events ] && lm_memory=$lm_folder/memory.events
  [ -r $lm_folder/memory.oom_control ] && lm_memory=$lm_folder/memory.oom_control
done
for lm_folder in /sys/fs/cgroup /sys/fs/cgroup/pids; do
  [ -r $lm_folder/pids.events ] && lm_pids=$lm_folder/pids.events
done
lm_out='>&1' lm_err='>&3'
if [ -p /proc/self/fd/1 ] && [ -w /proc/self/fd/1 ] && [ -p /proc/self/fd/3 ] && [ -w /proc/self/fd/3 ]; then
  lm_out='>/proc/self/fd/1' lm_err='>/proc/self/fd/3'
fi
lm_count() {
  lm_value=0
  [ -n "$1" ] || return
  while read -r lm_key lm_rest; do [ "$lm_key" = "$2" ] && lm_value=$lm_rest; done <"$1"
}
lm_say() {
  lm_tries=0
  until printf '%s\\n' "$1"; do
    lm_tries=$((lm_tries + 1))
    [ $lm_tries -gt 500 ] && return
    sleep 0.01
  done
}
lm_clear() {
  lm_tries=0
  while kill -9 -1; set -- /proc/[0-9]*; [ $# -gt 2 ]; do
    lm_tries=$((lm_tries + 1))
    [ $lm_tries -gt 300 ] && lm_left=1 && return
    [ $lm_tries -gt 30 ] && sleep 0.01
  done
}
lm_is_empty() {
  set -- /tmp/* /tmp/.[!.]* /tmp/..?* /dev/shm/* /dev/shm/.[!.]* /dev/shm/..?* /dev/mqueue/* /dev/mqueue/.[!.]* /dev/mqueue/..?*
  [ $# -eq 9 ] || return 1
  for lm_each; do { [ -e "$lm_each" ] || [ -L "$lm_each" ]; } && return 1; done
  return 0
}
lm_sweep() {
  lm_is_empty && return
  find /tmp /dev/shm /dev/mqueue -mindepth 1 -delete >/dev/null
  lm_is_empty && return
  find /tmp /dev/shm -mindepth 1 -type d ! -perm -700 -exec chmod u+rwx {} ';' >/dev/null
  find /tmp /dev/shm /dev/mqueue -mindepth 1 -delete >/dev/null
  lm_is_empty || lm_left=1
}
lm_check() {
  for lm_each in shm msg sem; do
    { read -r lm_key && read -r lm_key && lm_left=1; } </proc/sysvipc/$lm_each
  done
  [ -w /proc/self/fd/1 ] && [ -w /proc/self/fd/3 ] || lm_left=1
}
lm_run() {
  lm_secret=$1 lm_cwd=$2 lm_left=0
  shift 2
  if ! cd -P "$lm_cwd"; then lm_say "$lm_secret ${NO_FOLDER}"; lm_say "$lm_secret ${NO_FOLDER}" >&3; return; fi
  lm_say "$lm_secret ${BEGUN}"
  lm_count "$lm_memory" oom_kill; lm_killed=$lm_value
  lm_count "$lm_pids" max; lm_refused=$lm_value
  (
    trap - HUP INT QUIT ALRM TERM USR1 USR2
    unset OLDPWD lm_secret
    eval "exec </dev/null $lm_out 2$lm_err 3>&-"
    while [ "$1" != -- ]; do export "$1"; shift; done
    shift
    exec "$@"
  )
  lm_status=$?
  lm_clear
  lm_sweep
  lm_check
  lm_count "$lm_memory" oom_kill; lm_killed=$((lm_value - lm_killed))
  lm_count "$lm_pids" max; lm_refused=$((lm_value - lm_refused))
  cd /
  lm_say "$lm_secret ${ENDED} $lm_status $lm_killed $lm_refused $lm_left"
  lm_say "$lm_secret ${ENDED}" >&3
}
`;

/**
 * Runs the program that its arguments name, and ends what that leaves: a child that holds the output would keep the engine waiting. A
 * program that is not there gives 127, as everywhere.
 */
export const ONE_PROGRAM = `exec 3>&2 2>/dev/null
(exec 2>&3 3>&-; exec "$@")
lm_status=$?
kill -9 -1
exit $lm_status`;

/** Removes what a command has left in the container's own folders; fails when something stays. */
export const CLEANER = `${RUNNER}lm_left=0; lm_sweep; lm_check; exit $lm_left`;

/** What the runner is given to read first. */
export function toGreeting(secret: string): string {
  return `${RUNNER}lm_left=0; lm_sweep; lm_check; lm_say "${secret} ${READY} $lm_left $$"\n`;
}

/** One word for a POSIX shell, whatever is in it but NUL. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

export interface RunnerCommand {
  secret: string;
  /** Absolute, inside. */
  cwd: string;
  environment: Readonly<Record<string, string>>;
  program: readonly string[];
}

/** What a shell can `export`; other names are legal in an environment too. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The line that has the runner run a command. */
export function toRunnerLine({ secret, cwd, environment, program }: RunnerCommand): string {
  const entries = Object.entries(environment);
  const assignments = (only: boolean): string[] =>
    entries.flatMap(([name, value]) => (NAME.test(name) === only ? [`${name}=${value}`] : []));
  const odd = assignments(false);
  const words = [
    secret,
    cwd,
    ...assignments(true),
    "--",
    ...(odd.length === 0 ? [] : ["/usr/bin/env", "--", ...odd]),
    ...program,
  ];
  return `lm_run ${words.map(quote).join(" ")}\n`;
}
