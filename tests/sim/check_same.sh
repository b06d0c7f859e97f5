#!/bin/sh
# The same seed is the same run in every build: the trace hashes of two builds are compared.
#     check_same.sh SIMULATOR OTHER
# 77 where the other build isn't there.
[ -x "$2" ] || { echo "no other build at $2 to compare with"; exit 77; }
one=$("$1" hash 1 12) && two=$("$2" hash 1 12) || exit 1
[ "$one" = "$two" ] || { printf 'traces differ:\n%s\n-- and --\n%s\n' "$one" "$two"; exit 1; }
echo "12 traces are equal"
