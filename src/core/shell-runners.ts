/** Programs and words of the shell that run what their arguments say, or that change what later words mean. */

/** They run their arguments, a file, or their input, as commands. */
const RUNNERS: ReadonlySet<string> = new Set(
  (
    ". eval exec source command builtin env xargs parallel sudo doas su runuser pkexec nohup timeout setsid stdbuf nice ionice " +
    "chrt taskset time watch entr chroot unshare nsenter setpriv capsh prlimit flock script expect strace ltrace gdb perf busybox toybox " +
    "setarch linux32 linux64 i386 x86_64 proot fakeroot fakechroot unbuffer valgrind choom rlwrap numactl bwrap firejail ld.so " +
    "direnv mise asdf nix nix-shell guix eatmydata faketime torsocks proxychains proxychains4 cgexec cpulimit catchsegv gosu su-exec " +
    "tini dumb-init chpst envdir setlock softlimit runcon sg newgrp hyperfine watchexec nodemon chronic ifne lldb rr " +
    "run-parts start-stop-daemon systemd-run at batch crontab ssh nc ncat socat tmux screen dbus-run-session xvfb-run " +
    // They change what later parts of the line mean: aliases, functions, traps, variables, the working of the shell.
    "alias unalias set shopt trap export readonly declare typeset local hash enable bind complete compgen mapfile readarray let read " +
    "unset getopts fc wait"
  ).split(" "),
);

const SHELLS: ReadonlySet<string> = new Set("sh bash dash ash zsh ksh mksh fish csh tcsh rbash".split(" "));

/** By these find(1) starts programs, writes, or reads its arguments from a file. */
const FIND_ACTIONS = /^-(?:exec|execdir|ok|okdir|delete|fprint|fprint0|fprintf|fls|files0-from)$/;

/** The name of a program without its folders, in small letters as some file systems read it. */
export function programName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1).toLowerCase();
}

export function isShell(program: string): boolean {
  return SHELLS.has(programName(program));
}

/** The name by which a program is known: without its folders, version and the letter before a GNU program. */
export function plainName(program: string): string {
  const name = programName(program).replace(/-[0-9][0-9.]*$/, "");
  return GNU_PROGRAMS.has(name.slice(1)) && name.startsWith("g") ? name.slice(1) : name;
}

const GNU_PROGRAMS: ReadonlySet<string> = new Set(
  "awk env find make nice nohup printf sed sort split stdbuf tar test timeout xargs".split(" "),
);

function isRunner(program: string): boolean {
  const name = plainName(program);
  return RUNNERS.has(name) || RUNNERS.has(program) || /^ld-[\w.-]*\.so\b/.test(name);
}

export function runsItsArguments(program: string, args: readonly string[]): boolean {
  const name = plainName(program);
  if (isRunner(program)) return true;
  // A shell without a file reads its input, and with an option it may read anything.
  if (SHELLS.has(name)) return !/^[^-+]/.test(args[0] ?? "");
  if (args.some((argument, index) => isShell(argument) && /^[-+]/.test(args[index + 1] ?? ""))) return true;
  if (name === "find") return args.some((argument) => FIND_ACTIONS.test(argument));
  if (name === "cmake") return args.some((argument) => /^-[EP]/.test(argument));
  if (name === "fd" || name === "fdfind")
    return args.some((argument) => /^(?:-[a-zA-Z]*[xX]|--exec)/.test(argument));
  // It sets a variable.
  if (name === "printf" && args.some((argument) => COUNTING.test(argument.replaceAll("%%", "")))) return true;
  // They evaluate the subscript of a name that they are given, in some shells.
  if (name === "printf" || name === "test" || name === "[")
    return args.some((argument) => argument.startsWith("-v") || argument.startsWith("-R"));
  return false;
}

/** `%n` of printf(1), as bash has it. */
const COUNTING = /%[-+ #0-9.*'hlLqjzt]*n/;
