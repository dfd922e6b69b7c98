#!/bin/sh
# Start PostgreSQL; make the cluster first where there is none. It appears whole or not at all.
set -eu
home=/var/lib/postgresql
data=$home/17
secrets=${SPLITLEAF_SECRETS_DIR:-/run/secrets/splitleaf}

if [ ! -s "$data/PG_VERSION" ]; then
    rm -rf "$home/new"
    initdb --pgdata="$home/new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=peer --auth-host=scram-sha-256 --data-checksums
    printf 'host splitleaf splitleaf all scram-sha-256\n' >>"$home/new/pg_hba.conf"
    # A password of make_secrets.py has no quotes in it.
    postgres --single -D "$home/new" -c log_statement=none postgres >/dev/null <<SQL
CREATE ROLE splitleaf LOGIN PASSWORD '$(cat "$secrets/postgres-password")'
CREATE DATABASE splitleaf OWNER splitleaf
SQL
    mv "$home/new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp -c log_destination=stderr
