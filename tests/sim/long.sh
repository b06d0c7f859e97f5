#!/bin/sh
# Goes on for as long as wanted: `sh tests/sim/long.sh MINUTES [FILE]`. Runs seeds that nobody ran
# before, and every planted mistake with up to 5,000 seeds once a day's worth of minutes allows. Each
# batch appends a line to FILE (build/simulated.txt): commit, first seed, seeds, device-hours, failures.
set -u
cd "$(dirname "$0")/../.."
minutes=${1:?"say for how many minutes"}
file=${2:-build/simulated.txt}
simulator=build/dev/tests/simulator
batch=500
[ -x "$simulator" ] || { echo "build first: cmake --preset dev && cmake --build --preset dev"; exit 2; }

mkdir -p "$(dirname "$file")"
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
seed=$(awk '$2 >= next_seed { next_seed = $2 + $3 } END { print next_seed > 1000 ? next_seed : 1000 }' "$file" 2>/dev/null || echo 1000)
end=$(($(date +%s) + minutes * 60))
failed=0
all_hours=0
while [ "$(date +%s)" -lt "$end" ]; do
    out=$("$simulator" seeds "$seed" "$batch")
    failures=$(printf '%s\n' "$out" | grep -c '^seed ')
    hours=$(printf '%s\n' "$out" | sed -n 's/.*device-hours \([0-9.]*\),.*/\1/p')
    printf '%s\n' "$out"
    all_hours=$(awk "BEGIN { print $all_hours + ${hours:-0} }")
    echo "$commit $seed $batch $hours $failures" >>"$file"
    failed=$((failed + failures))
    seed=$((seed + batch))
done
times >"$file.cpu" # its second line: user and system time of what ran until now
awk -v hours="$all_hours" 'NR == 2 { split($1, u, /[ms]/); split($2, s, /[ms]/)
    cpu = u[1] * 60 + u[2] + s[1] * 60 + s[2]
    printf "device-hours in a second of CPU: %.1f\n", hours / (cpu > 0 ? cpu : 1) }' "$file.cpu"
rm -f "$file.cpu"
if [ "$minutes" -ge 30 ]; then
    build/dev/tests/simulator_planted plants 5000 || failed=$((failed + 1))
fi
awk '{ seeds += $3; hours += $4; failures += $5 }
    END { printf "in all: seeds %d, device-hours %.0f, failures %d\n", seeds, hours, failures }' "$file"
[ "$failed" -eq 0 ]
