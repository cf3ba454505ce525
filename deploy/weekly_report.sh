#!/usr/bin/env bash
# Print last week's report and keep it as JSON. Usage: weekly_report.sh FOLDER [options of `atlas report`]
set -euo pipefail

folder=${1:?weekly_report.sh: say the folder to write to}
shift
atlas=${ATLAS_COMMAND:-/opt/atlas/current/venv/bin/atlas}
mkdir -p -- "$folder"

to=$(date --utc +%Y-%m-%d)
from=$(date --utc --date '7 days ago' +%Y-%m-%d)
"$atlas" report --from "$from" --to "$to" "$@"
"$atlas" report --from "$from" --to "$to" --json "$@" > "$folder/$to.json.part"
mv -- "$folder/$to.json.part" "$folder/$to.json"
