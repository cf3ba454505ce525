#!/usr/bin/env bash
# Install ATLAS on a machine with systemd, upgrade it, or go back to the release before.
#
#   deploy/install.sh [--dry-run] [--no-start]      install, or upgrade to this checkout
#   deploy/install.sh --roll-back [--dry-run]       back to the release that ran before
#
# Run it again at any time: what is there already is left as it is, settings and secrets above all.
# Tried on Debian 12; Ubuntu 24.04 by reading only. Exit codes: 0 ok, 1 a step failed, 2 usage, 69 something is missing.
set -euo pipefail
umask 022

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
source=$(dirname -- "$here")
place=/opt/atlas
config=/etc/atlas
state=/var/lib/atlas
program=/usr/local/bin/atlas
keep_releases=3
units=(atlas-postgres.service atlas.service atlas-web.service)
timers=(atlas-backup.timer atlas-report.timer)
secrets=(DISCORD_WEBHOOK_URL COINBASE_API_KEY COINBASE_API_SECRET ATLAS_DATABASE_URL ATLAS_PING_URL)

dry=no start=yes back=no

say() { printf 'install: %s\n' "$*"; }
die() {
    local code=$1
    shift
    printf 'install: %s\n' "$*" >&2
    exit "$code"
}
usage() { sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# Everything that changes the machine goes through `run`, so that --dry-run shows it and does nothing.
run() {
    if [[ $dry == yes ]]; then
        printf '  would run: %s\n' "${*@Q}"
    else
        "$@"
    fi
}

for word in "$@"; do
    case $word in
    --dry-run) dry=yes ;;
    --no-start) start=no ;;
    --roll-back) back=yes ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && die 2 "'$word' is no option" ;;
    esac
done

systemd_runs() { [[ -d /run/systemd/system ]]; }

# as_atlas COMMAND…: an `atlas` command as the service's account, with the service's settings.
as_atlas() { run "$here/atlas.sh" "$@" --config "$config/atlas.toml"; }

# The name of this checkout's release: its version, and what its files hold.
release_name() {
    local version content
    version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$source/atlas/__init__.py")
    content=$(cd -- "$source" && source_files | xargs -0 sha256sum | sha256sum | cut -c1-12)
    [[ -n $version ]] || die 1 "$source/atlas/__init__.py names no version: is the checkout whole?"
    printf '%s-%s' "$version" "$content"
}

source_files() {
    cd -- "$source"
    find atlas actors db migrations web deploy docs README.md CHANGELOG.md setup.cfg pyproject.toml requirements.lock \
        -type f ! -path '*/__pycache__/*' -print0 | sort -z
}

check_machine() {
    [[ $(uname -s) == Linux ]] || die 69 "this is $(uname -s): ATLAS runs on Linux"
    [[ $dry == yes || $(id -u) -eq 0 ]] || die 69 "only root can install: run it with sudo, or see what it would do with --dry-run"
    command -v systemd-sysusers >/dev/null || die 69 "there is no systemd here: install the package systemd, or use deploy/compose.yaml"
}

install_packages() {
    local missing=() package
    for package in python3 python3-venv ca-certificates; do
        dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    if [[ ${#missing[@]} -gt 0 ]]; then
        command -v apt-get >/dev/null || die 69 "needed and not here: ${missing[*]}; there is no apt-get, install them by hand"
        say "packages: ${missing[*]}"
        run env DEBIAN_FRONTEND=noninteractive apt-get -qq update
        run env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"
    fi
    [[ $dry == yes ]] || python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die 69 "python3 is $(python3 --version): 3.11 or newer is needed (Debian 12, Ubuntu 24.04)"
}

make_account() {
    run install -D -m 0644 "$here/sysusers/atlas.conf" /etc/sysusers.d/atlas.conf
    run install -D -m 0644 "$here/tmpfiles/atlas.conf" /etc/tmpfiles.d/atlas.conf
    run systemd-sysusers /etc/sysusers.d/atlas.conf
    run systemd-tmpfiles --create /etc/tmpfiles.d/atlas.conf
}

make_settings() {
    local secret
    if [[ ! -e $config/atlas.toml ]]; then
        say "settings: $config/atlas.toml"
        run install -m 0640 -o root -g atlas "$here/atlas.toml" "$config/atlas.toml"
    fi
    for secret in "${secrets[@]}"; do
        [[ -e $config/credentials/$secret ]] || run install -m 0600 /dev/null "$config/credentials/$secret"
    done
}

# A release is made beside and marked at the end: one that was interrupted is made anew.
make_release() {
    local release=$place/releases/$1
    if [[ -e $release/complete ]]; then
        say "release $1 is installed already"
        return
    fi
    say "release $1"
    run rm -rf -- "$release"
    run mkdir -p -- "$release/source"
    run bash -c 'cd -- "$1" && tar --create --null --files-from=- | tar --extract --directory="$2"' bash \
        "$source" "$release/source" < <(source_files)
    run python3 -m venv "$release/venv"
    run "$release/venv/bin/python" "$release/source/deploy/locked_install.py" "$release/source"
    run ln -s source/deploy "$release/deploy"
    run ln -s source/docs "$release/docs"
    run touch "$release/complete"
}

install_units() {
    local unit
    for unit in "$place/current/deploy/systemd/"*; do
        run install -m 0644 "$unit" "/etc/systemd/system/$(basename -- "$unit")"
    done
}

# `atlas` on the PATH; somebody else's of that name stays.
install_program() {
    if [[ -e $program ]] && ! grep -q "$place/current" "$program"; then
        say "$program is another program and stays; ATLAS's is $place/current/deploy/atlas.sh"
    else
        run install -m 0755 "$here/atlas.sh" "$program"
    fi
}

# switch_to NAME: make a release the current one and remember the one before.
switch_to() {
    local before=""
    [[ -L $place/current ]] && before=$(basename -- "$(readlink -- "$place/current")")
    [[ $before == "$1" ]] && return
    [[ -n $before ]] && run ln -sfn "releases/$before" "$place/previous"
    run ln -sfn "releases/$1" "$place/current.new"
    run mv -T -- "$place/current.new" "$place/current"
}

remove_old_releases() {
    local name kept=0
    for name in $(ls -1t -- "$place/releases" 2>/dev/null); do
        kept=$((kept + 1))
        [[ $kept -le $keep_releases ]] && continue
        [[ $name == "$(basename -- "$(readlink -- "$place/current")")" ]] && continue
        [[ -L $place/previous && $name == "$(basename -- "$(readlink -- "$place/previous")")" ]] && continue
        say "removing the old release $name"
        run rm -rf -- "${place:?}/releases/$name"
    done
}

uses_embedded() { [[ ! -s $config/credentials/ATLAS_DATABASE_URL ]]; }

# start_all: the database first, its tables brought to this release, then what uses it.
start_all() {
    run systemctl daemon-reload
    if uses_embedded; then
        run systemctl enable --now atlas-postgres.service
    else
        run systemctl mask atlas-postgres.service
    fi
    as_atlas db upgrade
    run systemctl enable atlas.service atlas-web.service "${timers[@]}"
    run systemctl restart atlas.service atlas-web.service
    run systemctl start "${timers[@]}"
    say "installed. Look with: systemctl status atlas; atlas doctor --config $config/atlas.toml"
}

roll_back() {
    [[ -L $place/previous ]] || die 1 "there is no release before this one in $place"
    local name
    name=$(basename -- "$(readlink -- "$place/previous")")
    say "back to release $name"
    systemd_runs && run systemctl stop atlas.service atlas-web.service
    switch_to "$name"
    install_units
    if ! systemd_runs || [[ $start == no ]]; then
        say "not started"
        return
    fi
    run systemctl daemon-reload
    run systemctl start atlas.service atlas-web.service ||
        die 1 "release $name does not start. If its log says the tables are newer than it, put back the dump made before \
the upgrade: see docs/operations.md, 'Going back'"
}

main() {
    check_machine
    if [[ $back == yes ]]; then
        roll_back
        return
    fi
    local name
    name=$(release_name)
    install_packages
    make_account
    make_settings
    make_release "$name"
    if systemd_runs && [[ -L $place/current ]] && systemctl is-active --quiet atlas.service &&
        [[ $(basename -- "$(readlink -- "$place/current")") != "$name" ]]; then
        say "a dump of the database before the upgrade: $state/backups"
        as_atlas db backup "$state/backups/before-$name.dump" --force
    fi
    switch_to "$name"
    if [[ $dry == yes ]]; then
        for unit in "$here/systemd/"*; do printf '  would install: /etc/systemd/system/%s\n' "$(basename -- "$unit")"; done
    else
        install_units
    fi
    install_program
    remove_old_releases
    if ! systemd_runs; then
        say "systemd does not run here: everything is in place, nothing is started (it would start ${units[*]} ${timers[*]})"
    elif [[ $start == no ]]; then
        say "everything is in place; start it with: systemctl enable --now ${units[*]} ${timers[*]}"
    else
        start_all
    fi
}

main
