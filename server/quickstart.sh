#!/bin/sh
# A sample firm on this machine: installs what is missing, builds, starts a server with the firm's
# data, lets two reps work offline and sync. No terminal, no questions.
#     sh server/quickstart.sh          run again, it goes on with the same data
#     sh server/quickstart.sh stop     ends the server
#     sh server/quickstart.sh reset    ends it and removes the sample firm
# LEGWORK_QUICKSTART names another folder than build/quickstart for the data.
set -eu
here=$(pwd)
cd "$(dirname "$0")/.."
root=$(pwd)
case ${LEGWORK_QUICKSTART:-} in
'') place=$root/build/quickstart ;;
/*) place=$LEGWORK_QUICKSTART ;;
*) place=$here/$LEGWORK_QUICKSTART ;;
esac
bin=$root/build/programs
data=$place/server
. tests/tools/packages.sh
. server/demo/firm.sh

unset LEGWORK_HOME LEGWORK_DATA
legworkd() { "$bin/legworkd" --data "$data" "$@"; }
rep() { # rep LOGIN ARGUMENT...: what that rep types
    login=$1
    shift
    "$bin/legwork" --home "$place/$login" "$@"
}

build() {
    # shellcheck disable=SC2086
    install_missing $packages_build $packages_run
    mkdir -p "$place"
    echo "building (the first time takes a minute or two)"
    { cmake --preset release -B "$bin" -DLEGWORK_TESTS=OFF &&
        cmake --build "$bin" -j "$(nproc)" --target legwork legworkd; } >"$place/build.log" 2>&1 ||
        { tail -40 "$place/build.log"; exit 1; }
}

# The server's process, if it is still ours: a number may have gone to another program since.
server_pid() {
    [ -f "$place/pid" ] || return 1
    pid=$(cat "$place/pid")
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "--data $data serve" && echo "$pid"
}

stop_server() {
    if pid=$(server_pid); then
        kill "$pid"
        tries=0
        while kill -0 "$pid" 2>/dev/null && [ $tries -lt 150 ]; do
            sleep 0.1
            tries=$((tries + 1))
        done
    fi
    rm -f "$place/pid"
}

# start_on PORT: 0 where our server listens and answers /health; 1 where it ended, e.g. because the
# port is taken. Its own log says that it listens: the port alone might be another's.
start_on() {
    metrics=$(($1 + 1021)) # 9464 beside 8443
    nohup "$bin/legworkd" --data "$data" serve --listen "127.0.0.1:$1" \
        --metrics "127.0.0.1:$metrics" >"$place/server.log" 2>&1 </dev/null &
    pid=$!
    tries=0
    while [ $tries -lt 300 ]; do
        kill -0 "$pid" 2>/dev/null || return 1
        if grep -q "^listening on " "$place/server.log" &&
            curl -fsS -m 2 -o /dev/null "http://127.0.0.1:$metrics/health" 2>/dev/null; then
            echo "$pid" >"$place/pid"
            echo "$1" >"$place/port"
            return 0
        fi
        sleep 0.1
        tries=$((tries + 1))
    done
    kill "$pid" 2>/dev/null || true
    return 1
}

# On the port that the reps' replicas know, or the first free one from 8443.
start_server() {
    if server_pid >/dev/null; then
        return 0
    fi
    if [ -f "$place/port" ]; then
        start_on "$(cat "$place/port")" && return 0
    else
        for port in 8443 8444 8445 8446 8447 8448 8449 8450 8451 8452; do
            start_on $port && return 0
        done
    fi
    echo "The server doesn't start. Its last words ($place/server.log):" >&2
    tail -5 "$place/server.log" >&2
    exit 1
}

say() {
    port=$(cat "$place/port")
    cat <<TEXT

Legwork runs.
  address           https://127.0.0.1:$port   (health: http://127.0.0.1:$((port + 1021))/health)
  manager's login   mei   (password: $(cat "$place/password"))
  reps              lin, sam; their replicas: $place/lin, $place/sam

Try:
  $bin/legworkd --data $data query --report team_day
  $bin/legwork --home $place/lin find 茶
  $bin/legwork --home $place/sam visit log P001 --outcome order --note 'Came back' && \\
    $bin/legwork --home $place/sam sync

End it:       sh server/quickstart.sh stop
Start over:   sh server/quickstart.sh reset && sh server/quickstart.sh
TEXT
}

case ${1:-} in
'') ;;
stop)
    stop_server
    echo "stopped; the data stays in $place"
    exit 0
    ;;
reset)
    stop_server
    rm -rf "$place"
    echo "removed $place"
    exit 0
    ;;
*)
    echo "usage: sh server/quickstart.sh [stop|reset]" >&2
    exit 2
    ;;
esac

build
if [ ! -f "$place/ready" ]; then # also after a first run that was cut off: begin again
    stop_server
    rm -rf "$data" "$place/lin" "$place/sam" "$place/port"
    firm_make
    start_server
    reps_enrol
    stop_server
    echo "the server is down; Lin and Sam work offline"
    reps_work
    start_server
    reps_sync
    touch "$place/ready"
fi
start_server
say
