#!/usr/bin/env bash
# A consistent copy of the data folder of a running server:
#
#     bash backup.sh DATA_FOLDER COPY
#
# COPY is new, or an earlier copy of the same folder: Parquet files never change, so only new ones are copied then.
# Why it is consistent: a WAL segment is released only after a commit to a table. So when no commit has come between the copies
# of the tables and of the WAL, what is in no copied table is in the copied WAL. Where one has come, the copying is repeated.
# So it is where the WAL was copied in the middle of a write. The registry is copied last: it knows every device and stream
# that the others refer to. `zonelake check` then reads the whole copy.
set -euo pipefail
data=$1
copy=$2
tries=${TRIES:-30}
zonelake=${ZONELAKE_BINARY:-zonelake}

commits() {
    find "$data/tables" -path '*/_delta_log/*.json' | sort
}

copy_registry() {
    if command -v sqlite3 >/dev/null; then
        sqlite3 "$data/registry.sqlite" ".backup '$copy/registry.sqlite'"
    else
        python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))' \
            "$data/registry.sqlite" "$copy/registry.sqlite"
    fi
}

umask 077
mkdir -p "$copy/tables"
for ((try = 1; try <= tries; try++)); do
    [ "$try" -eq 1 ] || sleep 1
    before=$(commits)
    rm -rf "$copy/wal" "$copy"/registry.sqlite*
    cp -au "$data/tables/." "$copy/tables/"
    # A segment may go away while it is copied; then a commit has come, or the next try sees to it.
    cp -a "$data/wal" "$copy/wal" || continue
    [ "$before" = "$(commits)" ] || continue
    copy_registry
    [ ! -d "$data/tls" ] || cp -a "$data/tls" "$copy/"
    if "$zonelake" check --data "$copy"; then
        echo "The copy $copy is sound (try $try)."
        exit 0
    fi
done
echo "No sound copy in $tries tries: copy with the server stopped, or from a snapshot of the file system." >&2
exit 1
