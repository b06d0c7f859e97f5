#!/bin/sh
# Measures everything, in under five minutes, and prints one table. Build the release first, as this
# does; a busy machine gives worse figures and about the same ratios.
set -eu
cd "$(dirname "$0")/../.."
. tests/tools/packages.sh
# shellcheck disable=SC2086
install_missing $packages_build $packages_run libcmocka-dev python3 sqlite3 zstd openssl
mkdir -p build
{ cmake --preset release && cmake --build --preset release -j "$(nproc)"; } >build/bench.log 2>&1 ||
    { tail -30 build/bench.log; exit 1; }
bench=build/release/tests

echo "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores, $(. /etc/os-release;
    echo "$PRETTY_NAME"), $(date +%F)"
echo
echo "| what | value | floor | ratio | target |"
echo "|---|---|---|---|---|"
$bench/bench_write
$bench/bench_merge "${LEGWORK_BENCH_ROWS:-100000}"
LEGWORK_BUILD=build/release python3 tests/bench/bench_sync.py
