#!/bin/sh
# Everything that must hold before a change goes in: installs what is missing, builds twice with
# warnings as errors (gcc; clang with address and undefined sanitizers and the fuzzers), then runs
# all tests of both builds in one ctest, whose summary comes last. No terminal, no questions.
# With LEGWORK_NORTHWIND set to the sample data's folder, its test runs too. Arguments go to ctest:
#     sh tests/run.sh -R sim
set -eu
cd "$(dirname "$0")/.."
. tests/tools/packages.sh

# shellcheck disable=SC2086
install_missing $packages_build $packages_test npm

jobs=$(nproc)
mkdir -p build
for preset in dev fuzz; do
    cmake --preset "$preset" -DLEGWORK_WERROR=ON >build/configure.log 2>&1 ||
        { cat build/configure.log; exit 1; }
    echo "== building $preset"
    cmake --build --preset "$preset" -j "$jobs"
done

# One list over both builds. The sanitized one holds unit tests, simulations and fuzzers only.
mkdir -p build/all
printf 'subdirs("%s" "%s")\n' "$PWD/build/dev" "$PWD/build/fuzz" >build/all/CTestTestfile.cmake
exec ctest --test-dir build/all --no-tests=error --output-on-failure -j "$jobs" "$@"
