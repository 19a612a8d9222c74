#!/usr/bin/env bash
# Brings the programs of others that read what Swarmlog writes, once, and prints the folder they are in: Python packages of
# requirements.txt, npm packages of package-lock.json, both checked by their hashes, and kcat from the distribution.
# A change of a lock file, or another Python, makes a new folder.
set -euo pipefail
cd "$(dirname "$0")"

fail() {
    echo "interoperability tests: $1" >&2
    echo "  remedy: $2" >&2
    exit 1
}

debian() {
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 "$@" >&2
}

# Makes the check `$3` pass by installing the package `$2`, which brings `$1`.
need() {
    if ! eval "$3" >/dev/null 2>&1; then
        debian update && debian install -y --no-install-recommends "$2" ||
            fail "$1 is missing and could not be installed" "install it (Debian: apt-get install $2)"
        eval "$3" >/dev/null 2>&1 || fail "$1 is still missing after apt-get install $2" "put it on the PATH"
    fi
}

for program in python3 npm flock; do
    command -v "$program" >/dev/null || fail "$program is missing" "install Python 3.10 or newer, Node.js with npm, and util-linux"
done
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "$(python3 --version) is too old" "install Python 3.10 or newer"

python=$(python3 -c 'import sys; print(sys.version, sys.base_prefix)')
locks=$( (cat requirements.txt package.json package-lock.json && echo "$python") | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/swarmlog/interop
folder=$cache/$locks
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -w 600 9 || fail "another process holds $cache/lock" "end it"

need kcat kcat "kcat -V"
if [ ! -e "$folder/complete" ]; then
    need "venv of python3" python3-venv "python3 -c 'import venv, ensurepip'"
    echo "fetching readers of Kafka, CloudEvents, AsyncAPI and OpenAPI (40 MB, once)" >&2
    rm -rf "$folder"
    mkdir "$folder"
    python3 -m venv "$folder/python" >&2
    "$folder/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt >&2 ||
        fail "pip could not install requirements.txt" "look at pip's message above"
    cp package.json package-lock.json "$folder"
    npm ci --prefix "$folder" --silent --ignore-scripts --no-audit --no-fund >&2 ||
        fail "npm could not install package-lock.json" "look at npm's message above, or run npm ci in tests/interop"
    touch "$folder/complete"
fi
echo "$folder"
