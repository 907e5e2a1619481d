#!/bin/sh
# Serves PostgreSQL from PGDATA, which it makes when there is none yet.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --auth-local=trust --auth-host=scram-sha-256 --pwfile="$PASSWORD_FILE" --no-sync >&2
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec postgres -c 'listen_addresses=*' -c unix_socket_directories=/tmp
