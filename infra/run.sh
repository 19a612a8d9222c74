#!/usr/bin/env bash
# What `make run` does: builds, starts the server on its data folder, trains a sweep, shows where everything is, and
# stays up until Ctrl-C. Running it again finds the data again.
set -euo pipefail
cd "$(dirname "$0")/.."

data=${SWARMLOG_DATA:-.swarmlog}
listen=${SWARMLOG_LISTEN:-127.0.0.1:7070}
swarmlog=${CARGO_TARGET_DIR:-target}/release/swarmlog

bash infra/chdb/fetch.sh || echo "going on without analytics" >&2
started=$SECONDS
cargo build --locked --release -p swarmlog
echo "built in $((SECONDS - started)) s"

mkdir -p "$data"
if [ -z "${SWARMLOG_TOKEN:-}" ]; then
    token_file=$data/token
    [ -s "$token_file" ] || (umask 077 && head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$token_file")
    SWARMLOG_TOKEN=$(cat "$token_file")
fi
export SWARMLOG_TOKEN SWARMLOG_DATA=$data

ready=$data/ready
rm -f "$ready"
"$swarmlog" up --listen "$listen" --ready-file "$ready" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; exit 0' INT TERM
until [ -s "$ready" ]; do
    kill -0 "$server" 2>/dev/null || { wait "$server" || exit $?; }
    sleep 0.1
done
url=$(cat "$ready")

"$swarmlog" sweep || echo "the sweep did not come to its end; the server stays up" >&2

job=$("$swarmlog" -o json submit --queue later --key make-run | sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
cat <<TEXT

  server  $url   (health $url/health, metrics $url/metrics, API $url/openapi.json)
  token   $SWARMLOG_TOKEN
  data    $data

Try, in another terminal:
  curl -s -H "Authorization: Bearer $SWARMLOG_TOKEN" "$url/v1/jobs?queue=sweep-first&limit=3"
  $swarmlog --data $data sql "SELECT type, count() AS n FROM events GROUP BY type ORDER BY n DESC"
  $swarmlog --data $data history job $job

Ctrl-C stops the server; make run finds everything again.
TEXT
wait "$server"
