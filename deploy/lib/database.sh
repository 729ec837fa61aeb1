# A private PostgreSQL on a loopback port. Needs: data, var, run, log, port.
#
# PostgreSQL refuses to run as root. Started by root it belongs to the package's account, postgres,
# which may be unable to reach the data directory: /root, say, is closed to it. Then root opens the
# directory, and the server inherits it: to pass through /proc/self/fd/N nobody asks the directories
# above for leave. It gains no other right by that.

pg_bin=''
pg_as=()    # how to become the account that owns the cluster
pg_data=''  # the data directory as the server names it
pg_open=''  # the directory to be opened for it, if it cannot reach it by itself

# In a conninfo and in a passfile, a value may hold anything if these are escaped.
conninfo_quote() {
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\\\'}"
}

private_conninfo() {
    echo "host=127.0.0.1 port=${port[postgres]} user=waybill dbname=waybill" \
        "passfile=$(conninfo_quote "$data/pgpass")"
}

pg_locate() {
    local path version newest=0
    for path in /usr/lib/postgresql/*/bin/postgres; do
        version=${path#/usr/lib/postgresql/}
        version=${version%%/*}
        [[ $version =~ ^[0-9]+$ ]] && ((version > newest)) && newest=$version
    done
    if [ -f "$data/postgres/PG_VERSION" ]; then
        version=$(<"$data/postgres/PG_VERSION")
        [ -x "/usr/lib/postgresql/$version/bin/postgres" ] ||
            fail "$data/postgres was made by PostgreSQL $version, which is not installed" '' \
                "install postgresql-$version, or name another directory with --data"
    else
        version=$newest
        ((version >= 15)) || fail "PostgreSQL 15 or newer is not installed (found: $version)" '' \
            'install it from apt.postgresql.org, or set WAYBILL_DATABASE to a server that runs'
    fi
    pg_bin=/usr/lib/postgresql/$version/bin
}

# Decides how the server will reach its data directory.
pg_place() {
    local place=$data/postgres
    pg_as=() pg_open='' pg_data=$place
    if [ "$(id -u)" != 0 ]; then
        mkdir -p -m 0700 "$place"
        return
    fi
    getent passwd postgres >/dev/null || fail 'there is no account "postgres"' '' \
        'install the postgresql package of the distribution'
    pg_as=(setpriv "--reuid=postgres" "--regid=postgres" --init-groups --reset-env --)
    if [ ! -d "$place" ]; then
        mkdir -p -m 0700 "$place"
        chown postgres:postgres "$place"
    fi
    if ! pg_run test -w "$place" -a -x "$place" 2>/dev/null; then
        pg_open=$place pg_data=/proc/self/fd/8
        pg_run test -w $pg_data/. -a -x $pg_data/. 2>/dev/null ||
            fail "the account postgres cannot reach $place" '' \
                'name a directory that it can reach: deploy/quickstart --data /srv/waybill'
    fi
}

# Where the account may stand, with the directory open that it cannot reach. For a subshell.
pg_stand() {
    cd /
    [ -z "$pg_open" ] || exec 8<"$pg_open"
}

# pg_run COMMAND...: as the account that owns the cluster.
pg_run() {
    (pg_stand && exec "${pg_as[@]}" "$@")
}

pg_init() {
    local password
    [ ! -f "$data/postgres/PG_VERSION" ] || return 0
    say "Making a private PostgreSQL in ${data#"$root/"}/postgres"
    password=$(head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
    (umask 077 && echo "127.0.0.1:*:*:waybill:$password" >"$data/pgpass")
    # The inner shell makes the pipe that initdb reads, so that the account may open it.
    pg_run bash -c '"$0" -D "$1" --username=waybill --auth=scram-sha-256 --encoding=UTF8 \
        --locale=C --data-checksums --pwfile=<(cat)' "$pg_bin/initdb" "$pg_data" \
        <<<"$password" >>"$log/postgres.log" 2>&1 || {
        find "$data/postgres" -mindepth 1 -delete
        fail 'initdb failed' "$log/postgres.log" 'see its words above'
    }
}

pg_ready() {
    "$pg_bin/pg_isready" -q -h 127.0.0.1 -p "${port[postgres]}"
}

pg_query() {
    PGPASSFILE=$data/pgpass "$pg_bin/psql" -X -At -h 127.0.0.1 -p "${port[postgres]}" \
        -U waybill -d postgres -c "$1" 2>>"$log/postgres.log"
}

# Starts it unless it runs, and creates the database unless it is there.
pg_start() {
    if ! running postgres; then
        pg_locate
        pg_place
        pg_init
        say "Starting PostgreSQL on 127.0.0.1:${port[postgres]}"
        (pg_stand && launch postgres "${pg_as[@]}" "$pg_bin/postgres" -D "$pg_data" \
            -c listen_addresses=127.0.0.1 -c "port=${port[postgres]}" -c unix_socket_directories= \
            -c fsync=on -c full_page_writes=on -c synchronous_commit=on)
    else
        pg_locate
    fi
    await postgres 60 pg_ready ||
        fail 'PostgreSQL did not become ready' "$log/postgres.log" 'see its words above'
    if [ "$(pg_query "SELECT 1 FROM pg_database WHERE datname = 'waybill'")" != 1 ]; then
        pg_query 'CREATE DATABASE waybill TEMPLATE template0' >/dev/null ||
            fail 'the database could not be created' "$log/postgres.log" 'see its words above'
    fi
}
