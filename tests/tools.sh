#!/usr/bin/env bash
# The programs that the fault tests need beside the servers, from the distribution's packages in its versions.
set -euo pipefail

missing=()
command -v strace >/dev/null || missing+=(strace)
compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || missing+=(libfaketime)
command -v mount >/dev/null || missing+=(mount)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}; the scenarios that need them will fail (Debian: apt-get install ${missing[*]})" >&2
    exit 0
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
