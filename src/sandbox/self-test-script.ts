/**
 * What is tried inside, in the words of `sh`. Every section says what it found and judges nothing: a program inside could be what is
 * broken, so the verdicts are made outside. Sections begin with `== name`; what is tried goes wrong quietly.
 *
 * Arguments: a name for new files, a port of this machine, the id of a process of this machine, and folders of this machine that must
 * be out of reach.
 */
export const TRIES = `
exec 2>/dev/null
name=$1 port=$2 stranger=$3
shift 3
say() { printf '\\n== %s\\n' "$1"; }
say workspace
echo written > "$name" && cat "$name"
say setuid
chmod 4755 "$name"; [ -u "$name" ] && echo LEAK setuid
chmod 2755 "$name"; [ -g "$name" ] && echo LEAK setgid
rm -f "$name"
say outside
for folder in / /usr /usr/bin /etc /var /root /home "$@"; do
  ( : > "$folder/$name" ) && echo "LEAK $folder" && rm -f "$folder/$name"
done
say canary
for folder in "$@"; do cat "$folder/canary"; ls -a "$folder"; done
say environment
env
cat /proc/[0-9]*/environ | tr '\\0' '\\n'
say processes
if [ -d /proc/self ]; then cat /proc/[0-9]*/cmdline | tr '\\0' ' '; else kill -0 "$stranger" && echo LEAK process; fi
say privileges
grep -E '^(NoNewPrivs|Seccomp|Cap[A-Z][a-z]+):' /proc/self/status
say routes
tail -n +2 /proc/net/route
grep -v ' lo$' /proc/net/ipv6_route
say connection
bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" && echo LEAK connection
say state
mkdir .lmagent && made=yes
( : > ".lmagent/$name" ) && echo LEAK state && rm -f ".lmagent/$name"
[ "$made" = yes ] && rmdir .lmagent
say temporary
file=\${TMPDIR:-/tmp}/$name
echo written > "$file" && cat "$file"
say bounded
if [ -d /proc/self ]; then head -c 80000000 /dev/zero > "$file" && echo LEAK unbounded; fi
rm -f "$file"
say end
`;

/** As many as no limit lets through. Says after each how many there are; only words of the shell itself, since nothing else may start. */
export const PROCESS_STORM_SIZE = 300;
export const PROCESS_STORM = `
exec 2>/dev/null
count=0
while [ $count -lt ${PROCESS_STORM_SIZE} ]; do sleep 20 & count=$((count + 1)); echo $count; done
sleep 5
echo all`;

/**
 * Four processes that each hold so much at the same time, for as many seconds as the first argument says: whoever watches on a busy
 * machine may be late. Each that lives to tell says how much it held.
 */
export const HOG_BYTES = 60_000_000;
export const HOG_MEMORY_MB = 64;
export const MEMORY_HOG = `
exec 2>/dev/null
seconds=$1
hog() { head -c ${HOG_BYTES} /dev/zero | tail -c ${HOG_BYTES - 1} | { sleep "$seconds"; wc -c; }; }
hog & hog & hog & hog & wait
echo all`;
