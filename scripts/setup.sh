# Sourced by the scripts beside it: makes sure that everything they need is installed.
#
#   setup EXTRA     EXTRA is an extra of pyproject.toml ("all" to run, "dev" to test)
#
# Sets PYTHON. Quiet when all is there; needs the network only when something is missing.
# Root (or sudo) is needed for apt-get alone: the GnuTLS library and Python's venv module come
# from the distribution, so that security updates reach them without us.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }

apt_install() {
    local why=$1; shift
    if ! command -v apt-get >/dev/null; then
        say "error: $why: install by hand what Debian calls: $*"; exit 1
    fi
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "error: $why: as root run: apt-get install $*"; exit 1
        fi
        sudo=(sudo)
    fi
    say "$why: installing $* with apt-get (this is what root is needed for)"
    local log; log=$(mktemp)
    if ! { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update &&
           "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@"; } >"$log" 2>&1
    then
        tail -n 20 "$log" >&2; rm -f "$log"
        say "error: apt-get could not install: $*"; exit 1
    fi
    rm -f "$log"
}

have_gnutls() { ldconfig -p 2>/dev/null | grep -q 'libgnutls\.so\.30' || /sbin/ldconfig -p 2>/dev/null | grep -q 'libgnutls\.so\.30'; }

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null &&
           "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
        then
            echo "$candidate"; return
        fi
    done
}

# The command `ip` makes a private link for the devices; without it one of the machine's own is used.
want_ip() {
    command -v ip >/dev/null || [ -x /usr/sbin/ip ] && return
    if [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; then
        apt_install "the command 'ip' (for a private link) is missing" iproute2
    fi
}

setup() {
    local extra=$1 base venv stamp wanted log
    have_gnutls || apt_install "GnuTLS (the DTLS and TLS library) is missing" libgnutls30
    base=$(find_python)
    [ -n "$base" ] || { apt_install "Python 3.11 or newer is missing" python3 python3-venv; base=$(find_python); }
    [ -n "$base" ] || { say "error: no Python 3.11 or newer: Debian 12 and Raspberry Pi OS (bookworm) have one"; exit 1; }

    venv=${VIRTUAL_ENV:-$ROOT/.venv}
    if [ ! -x "$venv/bin/python" ]; then
        "$base" -c 'import ensurepip, venv' 2>/dev/null || apt_install "Python's venv module is missing" python3-venv
        say "making the virtual environment $venv"
        "$base" -m venv "$venv"
    fi
    PYTHON=$venv/bin/python

    stamp=$venv/.sztb-$extra
    wanted=$(cksum <"$ROOT/pyproject.toml")" $ROOT"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        say "installing the Python packages of sztb[$extra] into $venv (a minute or two, once)"
        log=$(mktemp)
        if ! "$PYTHON" -m pip install --quiet --disable-pip-version-check -e "$ROOT[$extra]" >"$log" 2>&1; then
            tail -n 20 "$log" >&2; rm -f "$log"
            say "error: pip could not install the packages; is the network there?"; exit 1
        fi
        rm -f "$log"
        echo "$wanted" >"$stamp"
    fi
}
