# Read by every script here and by .ci/run: find a Python, make the environment, say what is missing.
# Exit codes follow sysexits.h: 69 something outside is missing, 78 the machine is not set up.
# shellcheck shell=bash

umask 022
export LC_ALL=C.UTF-8 PYTHONUTF8=1
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP CDPATH

checkout=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd -P)
lock_file=$checkout/requirements.lock

say() { printf 'atlas: %s\n' "$*" >&2; }
die() {
    local code=$1
    shift
    say "$*"
    exit "$code"
}

# install_packages NAME…: Debian packages, as root; fails (1) where there is no apt-get or no root.
install_packages() {
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return 1
    say "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    local options=(-qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    {
        apt-get "${options[@]}" update
        apt-get "${options[@]}" install -y --no-install-recommends "$@"
    } </dev/null >&2
}

# share_out ARGUMENTS…: set parallel, by which pytest shares the tests out; nothing where ARGUMENTS want one process.
# A file's tests stay in one process, so that its module fixtures are made once, and files are taken in the order
# tests/conftest.py has them in, the longest first. Many wait for a server or a browser: one process more than cores.
share_out() {
    local jobs=${ATLAS_TEST_JOBS:-$(($(nproc) + 1))}
    parallel=(-n "$((jobs < 4 ? jobs : 4))" --dist loadfile --no-loadscope-reorder)
    case " $* " in *" no:xdist "* | *" -pno:xdist "* | *" --pdb "*) parallel=() ;; esac
}

# base_python COMMAND: print "VERSION PATH" of the interpreter behind COMMAND (not of a virtual environment's link).
base_python() {
    "$1" -I -c 'import sys
if not (3, 11) <= sys.version_info[:2] <= (3, 13): sys.exit(1)
print("%d.%d.%d" % sys.version_info[:3], getattr(sys, "_base_executable", None) or sys.executable)' 2>/dev/null
}

# choose_python: set python and python_version; one that can make environments is preferred, else it is taught to.
choose_python() {
    local candidate found without=""
    local candidates=(python3.11 python3.12 python3.13 python3 /usr/bin/python3.11 /usr/bin/python3)
    [ -z "${ATLAS_PYTHON:-}" ] || candidates=("$ATLAS_PYTHON")
    for candidate in "${candidates[@]}"; do
        found=$(base_python "$candidate") || continue
        if "${found#* }" -I -c 'import venv, ensurepip' 2>/dev/null; then
            python_version=${found%% *} python=${found#* }
            return
        fi
        [ -n "$without" ] || without=$found
    done
    [ -n "$without" ] || die 78 "no Python 3.11, 3.12 or 3.13 found${ATLAS_PYTHON:+ at ATLAS_PYTHON=$ATLAS_PYTHON}:" \
        "install one (Debian: apt-get install python3 python3-venv), or name one by ATLAS_PYTHON"
    python_version=${without%% *} python=${without#* }
    local package="python${python_version%.*}-venv"
    install_packages "$package" && "$python" -I -c 'import venv, ensurepip' 2>/dev/null ||
        die 78 "$python cannot make virtual environments (Debian ships that apart): run" \
            "'apt-get install $package' as root, or name another Python by ATLAS_PYTHON"
}

# choose_environment: set environment. .venv in a checkout of one's own, else a folder in the cache.
choose_environment() {
    if [ -n "${ATLAS_VENV:-}" ]; then
        environment=$(readlink -m -- "$ATLAS_VENV")
        return
    fi
    environment=$checkout/.venv
    if [ -O "$checkout" ] && [ -w "$checkout" ]; then
        [ -e "$environment" ] || return 0
        if [ -O "$environment" ] && [ -w "$environment" ]; then return; fi
    fi
    local cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/atlas key
    key=$(printf '%s' "$checkout" | sha256sum | cut -c1-12)
    if ! mkdir -p -- "$cache" 2>/dev/null || ! [ -w "$cache" ]; then
        cache=${TMPDIR:-/tmp}/atlas-$(id -u)
        mkdir -m 700 -- "$cache" 2>/dev/null || true
        [ -O "$cache" ] && [ -w "$cache" ] && ! [ -L "$cache" ] ||
            die 78 "no place for the environment: $checkout, the cache and $cache are not yours to write;" \
                "set XDG_CACHE_HOME or ATLAS_VENV to a folder that is"
    fi
    environment=$cache/$key
}

# prepare_environment: set environment and run (the interpreter in it); make or renew it where its stamp differs.
prepare_environment() {
    [ -r "$lock_file" ] || die 78 "$lock_file is missing: this is not a whole checkout"
    command -v flock >/dev/null || die 78 "flock is missing: install util-linux"
    choose_environment
    mkdir -p -- "$(dirname -- "$environment")" || die 78 "cannot write beside $environment"
    run=$environment/bin/python
    (
        flock 9
        if [ "$(cat -- "$environment/.atlas-stamp" 2>/dev/null)" != "$(stamp)" ]; then
            fill_environment
        fi
    ) 9>>"$environment.lock"
}

# stamp: what the environment depends on; differs from every stamp where the environment's Python does not run.
stamp() {
    {
        printf '%s\n' "$environment" "$checkout" "$(base_python "$run" || date +%s%N)"
        cat -- "$lock_file" "$checkout/setup.cfg" "$checkout/scripts/lib.sh"
    } | sha256sum | cut -d' ' -f1
}

# usable: is there an environment to bring up to date? One made by hand, of another Python that will do, is kept.
usable() {
    local have
    have=$(base_python "$run") && "$run" -I -m pip --version >/dev/null 2>&1 || return 1
    [ -z "${ATLAS_PYTHON:-}" ] || [ "$have" = "$(base_python "$ATLAS_PYTHON")" ]
}

# fill_environment: called under the lock; the stamp is written last.
fill_environment() {
    rm -f -- "$environment/.atlas-stamp"
    if ! usable; then
        [ ! -e "$environment" ] || [ -e "$environment/pyvenv.cfg" ] || [ -z "$(ls -A -- "$environment")" ] ||
            die 78 "$environment is there and is no virtual environment: move it away, or set ATLAS_VENV to another place"
        choose_python
        say "making a virtual environment in $environment (Python $python_version, $python)"
        "$python" -I -m venv --clear -- "$environment" ||
            die 78 "$python could not make a virtual environment in $environment; name another Python by ATLAS_PYTHON"
    fi
    say "installing what requirements.lock names into $environment"
    env -u PIP_USER -u PIP_TARGET -u PIP_PREFIX -u PIP_REQUIRE_VIRTUALENV \
        "$run" -I -m pip install -qq --disable-pip-version-check --no-input --only-binary :all: \
        --require-hashes --requirement "$lock_file" ||
        die 69 "pip could not install what requirements.lock names (see above): is the network there? then run this again"
    local site
    site=$("$run" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    printf '%s\n' "$checkout" >"$site/atlas-checkout.pth"
    # shellcheck disable=SC2016  # the launcher, not this script, expands these
    printf '%s\n' '#!/bin/sh' \
        'here=$(dirname -- "$(readlink -f -- "$0")")' \
        'exec "$here/python" -P -m atlas "$@"' \
        >"$environment/bin/atlas"
    chmod 755 -- "$environment/bin/atlas"
    stamp >"$environment/.atlas-stamp.new"
    mv -f -- "$environment/.atlas-stamp.new" "$environment/.atlas-stamp"
}
