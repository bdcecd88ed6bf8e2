#!/usr/bin/env bash
# Fetches llama.cpp's own server from Debian (sid; 20 MB, some seconds) into a folder, without installing anything:
#
#     scripts/fetch-llama-server.sh FOLDER
#
# FOLDER/root is a small file system that runs it, for an image; FOLDER/llama-server runs it on this machine. Needs apt and the network.
set -euo pipefail
folder=${1:?a folder is missing}
mkdir -p "$folder"/apt/{state/lists/partial,cache/archives/partial,etc} "$folder/root"
folder=$(cd "$folder" && pwd)
mirror=${LMAGENT_TEST_MIRROR:-http://deb.debian.org/debian}
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$folder/apt/etc/sources.list"
# With nothing installed, all that it needs comes along.
: >"$folder/apt/state/status"

private_apt() {
  apt-get -q -o Dir::Etc="$folder/apt/etc" -o Dir::Etc::sourcelist="$folder/apt/etc/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o Dir::State="$folder/apt/state" \
    -o Dir::State::status="$folder/apt/state/status" -o Dir::Cache="$folder/apt/cache" -o Acquire::Languages=none \
    -o Acquire::Retries=3 -o Debug::NoLocking=1 -o APT::Sandbox::User= "$@"
}
private_apt update >&2
private_apt install -y --no-install-recommends --download-only llama.cpp-tools >&2

root="$folder/root"
mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root/tmp" "$root/models"
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$root/$name"; done
for package in "$folder"/apt/cache/archives/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink; done
rm -rf "$folder/apt" "$root"/usr/share/{doc,man,locale,info}

loader=$(find "$root/usr/lib64" "$root/usr/lib" -name 'ld-linux*.so.*' | head -n 1)
libraries=$(dirname "$(find "$root/usr/lib" -name 'libllama.so*' | head -n 1)")
# One of the kernels for the processor: the server itself looks for the best only where it was installed.
wanted=x64
grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo && grep -qw bmi2 /proc/cpuinfo && wanted=haswell
kernels=$(find "$root/usr/lib" -name "libggml-cpu-$wanted.so" -o -name 'libggml-cpu-armv8.0_1.so' -o -name 'libggml-cpu.so' | head -n 1)
cat >"$folder/llama-server" <<END
#!/bin/sh
${kernels:+export GGML_BACKEND_PATH='$kernels'}
exec '$loader' --library-path '$libraries:$libraries/llama' '$root/usr/bin/llama-server' "\$@"
END
chmod +x "$folder/llama-server"
"$folder/llama-server" --version >&2
