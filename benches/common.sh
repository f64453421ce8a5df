# Shared by the benchmarks: builds the release binary, gets hyperfine, and prints its table. Source it from a script in this folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Installs Debian packages whose program is missing: `need PROGRAM PACKAGE`.
need() {
  command -v "$1" >/dev/null && return
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null
}

# Builds what is measured, unless GPUNODE names a binary (a machine without cargo).
build() {
  if [ -z "${GPUNODE:-}" ]; then
    cargo build --release --quiet
    GPUNODE="$PWD/target/release/gpunode"
  fi
  [ -x "$GPUNODE" ] || { echo "benches: $GPUNODE is not there" >&2; exit 1; }
}

# Runs two commands side by side in one hyperfine run and prints a table of their medians, with the ratio to the peer:
# `side_by_side PEER_NAME PEER_COMMAND OUR_NAME OUR_COMMAND`. No shell stands between, and an exit status of ours is an answer.
side_by_side() {
  local result
  result=$(mktemp)
  hyperfine --shell=none --warmup 3 --min-runs 20 --ignore-failure --export-json "$result" \
    --command-name "$1" "$2" --command-name "$3" "$4" >&2
  python3 - "$result" <<'PYTHON'
import json, sys
peer, ours = json.load(open(sys.argv[1]))["results"]
print("| | median | ratio |\n|---|---|---|")
for row in (ours, peer):
    print(f"| `{row['command']}` | {row['median'] * 1000:.1f} ms | {row['median'] / peer['median']:.3g} |")
PYTHON
  rm -f "$result"
}
