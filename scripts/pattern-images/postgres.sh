#!/bin/sh
# Serves PostgreSQL as the official image does, in as far as patterns ask for it: POSTGRES_USER, POSTGRES_DB and
# POSTGRES_PASSWORD_FILE, and the scripts of /docker-entrypoint-initdb.d once, over a socket that nobody else knows.
set -eu
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --clear-groups "$0"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --encoding=UTF8 --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --auth-local=trust --auth-host=scram-sha-256 --no-sync
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait -o "-c listen_addresses='' -c unix_socket_directories=/run/postgresql" start
  export PGHOST=/run/postgresql PGUSER="$POSTGRES_USER"
  [ "$POSTGRES_DB" = postgres ] || psql -d postgres -v ON_ERROR_STOP=1 -c "CREATE DATABASE \"$POSTGRES_DB\""
  for script in /docker-entrypoint-initdb.d/*; do
    [ ! -x "$script" ] || PGDATABASE="$POSTGRES_DB" "$script"
  done
  pg_ctl --wait --mode fast stop
fi
exec postgres -c 'listen_addresses=*' -c unix_socket_directories=/run/postgresql,/tmp
