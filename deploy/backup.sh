#!/usr/bin/env bash
# Dump the database into a folder and keep the newest of each of the last 14 days and 8 weeks.
# Usage: backup.sh FOLDER [options of `atlas db backup`, e.g. --config FILE]
# Restoring: docs/operations.md, "Restore"; the drill is a test (tests/deploy/test_backup_drill.py).
set -euo pipefail

DAYS=14
WEEKS=8

folder=${1:?backup.sh: say the folder to write to}
shift
atlas=${ATLAS_COMMAND:-/opt/atlas/current/venv/bin/atlas}
mkdir -p -- "$folder"
cd -- "$folder"

name=atlas-$(date --utc +%Y%m%dT%H%M%SZ).dump
"$atlas" db backup "$name" "$@"  # there only when it is whole

# Newest first; a day's and a week's newest is kept, what neither keeps goes.
declare -A day_kept=() week_kept=()
mapfile -t dumps < <(printf '%s\n' atlas-????????T??????Z.dump | sort --reverse)
for dump in "${dumps[@]}"; do
    day=${dump:6:8}
    week=$(date --utc --date "$day" +%G-%V)
    keep=no
    if [[ -z ${day_kept[$day]:-} && ${#day_kept[@]} -lt $DAYS ]]; then
        day_kept[$day]=1
        keep=yes
    fi
    if [[ -z ${week_kept[$week]:-} && ${#week_kept[@]} -lt $WEEKS ]]; then
        week_kept[$week]=1
        keep=yes
    fi
    if [[ $keep == no ]]; then
        rm -- "$dump"
        echo "removed $dump"
    fi
done
