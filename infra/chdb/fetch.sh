#!/usr/bin/env bash
# Fetches the ClickHouse engine (libchdb.so) once into the user's cache: an exact version from the npm registry,
# checked by SHA-256 before and after unpacking. Prints nothing when it is there already.
set -euo pipefail

version=26.7.3-stable.1
package=@chdb/lib-linux-x64-gnu
archive_sha256=c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad
library_sha256=36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5
folder=${XDG_CACHE_HOME:-$HOME/.cache}/swarmlog/chdb/$version
library=${SWARMLOG_CHDB_LIBRARY:-$folder/libchdb.so}

fail() {
    echo "clickhouse engine: $1" >&2
    echo "  wanted: $library (setting: SWARMLOG_CHDB_LIBRARY)" >&2
    echo "  remedy: $2" >&2
    exit 1
}

[ -s "$library" ] && exit 0
[ "$library" = "$folder/libchdb.so" ] || fail "the file that SWARMLOG_CHDB_LIBRARY names is missing" "unset it, or name a libchdb.so"
case $(uname -sm) in
"Linux x86_64") ;;
*) fail "no checked package for $(uname -sm)" "bring your own libchdb.so $version and name it" ;;
esac
command -v npm >/dev/null || fail "npm is not installed" "install Node.js with npm, then: make chdb"

mkdir -p "$folder"
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching the ClickHouse engine $version (178 MB, once)" >&2
npm pack --silent --pack-destination "$work" "$package@$version" >/dev/null ||
    fail "npm could not fetch $package@$version" "look at npm's message above, then: make chdb"
check() { echo "$1  $2" | sha256sum --check --status || fail "$2 is not what was checked" "try again: make chdb"; }
check "$archive_sha256" "$work"/*.tgz
tar -xzf "$work"/*.tgz -C "$work" package/libchdb.so
check "$library_sha256" "$work/package/libchdb.so"
mv "$work/package/libchdb.so" "$library"
