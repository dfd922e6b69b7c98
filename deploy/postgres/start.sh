#!/bin/sh
# Start PostgreSQL, and create the cluster first if there is none. It is created in one step.
set -eu
home=/var/lib/postgresql
data=$home/17
secrets=${SPLITLEAF_SECRETS_DIR:-/run/secrets/splitleaf}

if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$home/new"
    initdb --pgdata="$home/new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=peer --auth-host=scram-sha-256 --data-checksums
    printf 'host splitleaf splitleaf all scram-sha-256\n' >>"$home/new/pg_hba.conf"
    # Passwords of make_secrets.py contain no quotes.
    postgres --single -D "$home/new" -c log_statement=none postgres >/dev/null <<SQL
CREATE ROLE splitleaf LOGIN PASSWORD '$(cat "$secrets/postgres-password")'
CREATE DATABASE splitleaf OWNER splitleaf
SQL
    mv "$home/new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c log_destination=stderr
