#!/usr/bin/env bash
# `atlas` where it is a service: any command, as the service's account, with its database, settings and secrets.
# install.sh puts it to /usr/local/bin/atlas. It works in /var/lib/atlas: give files by their whole path.
set -euo pipefail

state=/var/lib/atlas
if [[ $(id -u) -ne 0 ]]; then
    printf 'atlas: only root may act as the account of the service: sudo atlas %s\n' "$*" >&2
    exit 77
fi
if [[ -r /etc/atlas/atlas.env ]]; then
    set -a
    # shellcheck source=/dev/null
    . /etc/atlas/atlas.env
    set +a
fi
# By the environment, which only root and the account can read; arguments are everybody's.
for secret in /etc/atlas/credentials/[A-Z]*[A-Z]; do
    [[ ! -s $secret ]] || export "$(basename -- "$secret")=$(<"$secret")"
done
export ATLAS_DATA_DIR=$state/postgres ATLAS_DATABASE__SERVICE=true
cd -- "$state"
exec runuser -u atlas -- /opt/atlas/current/venv/bin/atlas "$@"
