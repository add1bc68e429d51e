#!/bin/sh
# Writes PgBouncer's settings from the environment and runs PgBouncer, for Compose and for run.ts. Variables:
#   POSTGRES_HOST POSTGRES_PORT DATABASE   address of PostgreSQL
#   ROLE PASSWORD                          of the servers, in PostgreSQL and in PgBouncer
#   LISTEN_ADDRESS LISTEN_PORT             address for the servers
#   FOLDER                                 folder of the settings and the socket
set -eu
umask 077

quoted=$(printf '%s' "$PASSWORD" | sed 's/"/""/g')
printf '"%s" "%s"\n' "$ROLE" "$quoted" > "$FOLDER/userlist.txt"

cat > "$FOLDER/pgbouncer.ini" <<INI
[databases]
$DATABASE = host=$POSTGRES_HOST port=$POSTGRES_PORT

[pgbouncer]
listen_addr = $LISTEN_ADDRESS
listen_port = $LISTEN_PORT
; Whoever runs PgBouncer is its administrator through the socket, as for RECONNECT after a migration; nobody else may use it.
unix_socket_dir = $FOLDER
unix_socket_mode = 0700
auth_type = scram-sha-256
auth_file = $FOLDER/userlist.txt
; May ask with SHOW how PgBouncer is doing.
stats_users = $ROLE

pool_mode = transaction
; Connections to PostgreSQL. Two servers with DATABASE_POOL=10, and one more each for METRICS_PORT, never wait for one; with
; more servers some may.
default_pool_size = 22
max_client_conn = 500
; Seconds. After a restart of PostgreSQL it is asked again soon.
server_login_retry = 1
; A connection whose other end is lost is closed within ten seconds. Milliseconds, then seconds.
tcp_user_timeout = 10000
tcp_keepidle = 5
tcp_keepintvl = 2
tcp_keepcnt = 3
; A line for each connection tells nothing.
log_connections = 0
log_disconnections = 0
INI

exec pgbouncer "$FOLDER/pgbouncer.ini"
