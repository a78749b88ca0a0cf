#!/bin/sh
# PostgreSQL of compose.yaml: creates its cluster at the first start, and brings roles and passwords up to date at each.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export PGDATA=/var/lib/postgresql/data/cluster PGHOST=/run/postgresql

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    rm -rf "$PGDATA.new"
    initdb --pgdata="$PGDATA.new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
        --auth-local=peer --auth-host=reject
    cat > "$PGDATA.new/pg_hba.conf" <<'HBA'
local all postgres peer
host tokaut tokaut_owner,tokaut_web,tokaut_worker,tokaut_clock,tokaut_console samenet scram-sha-256
HBA
    mv "$PGDATA.new" "$PGDATA"
fi

pg_ctl start --wait --silent --options="-c listen_addresses='' -c unix_socket_directories=$PGHOST"
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --dbname=postgres --file=/etc/postgresql-roles/roles.sql > /dev/null
pg_ctl stop --wait --silent --mode=fast
exec postgres -c listen_addresses='*' -c unix_socket_directories="$PGHOST"
