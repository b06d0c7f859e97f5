# The Debian packages that the project needs, and the one function that installs what is missing.
# Sourced by tests/run.sh and server/quickstart.sh. Asks nothing, and needs no network where all is
# there already. To add a library: its -dev package here, `need(...)` in CMakeLists.txt, a line in
# the README's table.

packages_build="build-essential cmake ninja-build pkg-config libuv1-dev libmbedtls-dev
    libnghttp2-dev libsodium-dev libsqlite3-dev libcurl4-openssl-dev libssl-dev libzstd-dev
    libjansson-dev libmicrohttpd-dev libqrencode-dev libutf8proc-dev libjpeg62-turbo-dev
    libpng-dev libwebp-dev libpq-dev"
packages_run="curl ca-certificates tzdata"
packages_test="clang-14 libclang-rt-14-dev clang-tidy-14 clang-format-14 libcmocka-dev python3 git
    ca-certificates curl tzdata sqlite3 zstd openssl nghttp2-client faketime nodejs
    iproute2 nftables postgresql-15"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

is_installed() {
    case $1 in
    nodejs) command -v node >/dev/null 2>&1 ;; # a newer node than Debian's must stay
    npm) command -v npm >/dev/null 2>&1 ;;
    *) [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

# install_missing PACKAGE...
install_missing() {
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "installing:$missing"
    if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
        echo "These packages are missing, and installing them needs root or sudo without a" >&2
        echo "password. Please run: apt-get install$missing" >&2
        return 1
    fi
    # shellcheck disable=SC2086 # a list of words on purpose
    as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null' \
        sh $missing </dev/null
}
