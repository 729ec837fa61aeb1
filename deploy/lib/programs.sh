# Builds and starts Waybill's own programs. Needs: root, var, run, log, port, data, and the options.

bin=$root/build/bin
programs=(waybilld waybill-gateway waybill waybill-adapter-file waybill-demo)

install_packages() {
    local missing
    missing=$("$root/deploy/packages" --missing build run) && [ -z "$missing" ] && return
    say "Installing $(wc -w <<<"$missing") packages (half a minute or more)"
    "$root/deploy/packages" build run >"$log/packages.log" 2>&1 9>&- ||
        fail 'the packages could not be installed' "$log/packages.log" \
            'install them as is said above, then run deploy/quickstart again'
}

build() {
    local before=$SECONDS configure=()
    if [ ! -f "$root/build/build.ninja" ]; then
        configure=(cmake --preset release)
    elif ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$root/build/CMakeCache.txt"; then
        say 'The clone was moved: building anew'
        configure=(cmake --fresh --preset release)
    fi
    [ -x "$bin/waybilld" ] || say 'Building (a minute or two)'
    (
        cd "$root"
        [ ${#configure[@]} = 0 ] || "${configure[@]}"
        cmake --build build --target "${programs[@]}"
    ) >"$log/build.log" 2>&1 9>&- ||
        fail 'the build failed' "$log/build.log" 'mend what the compiler names, and run it again'
    ((SECONDS - before < 5)) || say "Built in $((SECONDS - before)) s"
}

# The address under which others in the network see this machine; nothing if there is none.
lan_address() {
    local address=''
    if command -v ip >/dev/null; then
        # Asks the routing table; nothing is sent. The address is one reserved for documentation.
        address=$(ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p')
    fi
    if [ -z "$address" ]; then
        address=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 '^[0-9.]*$' || true)
    fi
    [[ $address = 127.* ]] || echo "$address"
}

# ensure NAME SECONDS READY COMMAND...: NAME runs as this command says, and is ready.
# It is started anew if it ran with other arguments or its program was built anew.
ensure() {
    local name=$1 seconds=$2 ready=$3 as pid
    shift 3
    as=$(printf '%s\n' "$database" "$@")
    if pid=$(pid_of "$name"); then
        if [ "$(cat "$run/$name.as" 2>/dev/null)" = "$as" ] &&
            [[ $(readlink "/proc/$pid/exe") != *' (deleted)' ]]; then
            await "$name" "$seconds" $ready || fail "$name runs but is not ready" \
                "$log/$name.log" 'see its words above; deploy/quickstart --stop, then start again'
            return
        fi
        say "Starting $name anew"
        end "$name" TERM 30
    else
        say "Starting $name"
    fi
    # What the demonstration of another database wrote is no sign that this one is ready.
    [ "$name" != demo ] || rm -f "$run/sample"
    WAYBILL_DATABASE=$database launch "$name" "$@"
    (umask 077 && echo "$as" >"$run/$name.as")
    await "$name" "$seconds" $ready ||
        fail "$name did not become ready" "$log/$name.log" 'see its words above'
}

choose_ports() {
    if [ -n "$wanted_port" ] && [ "$wanted_port" != "${port[gateway]:-}" ]; then
        end gateway TERM 30
        port_free "$wanted_port" || fail "port $wanted_port is taken" '' 'name another with --port'
        port[gateway]=$wanted_port
    elif [ -n "$wanted_port" ] && ! running gateway && ! port_free "$wanted_port"; then
        fail "port $wanted_port is taken" '' 'name another with --port'
    fi
    choose_port gateway 7400 gateway
    choose_port ingest 7411 broker
    choose_port live 7412 broker
    choose_port streams 7413 broker
    choose_port health 7414 broker
    choose_port postgres 7432 postgres
    save_ports
}

# Which database: the one that is named in the environment, else the private one.
choose_database() {
    if [ -n "${WAYBILL_DATABASE:-}" ]; then
        database=$WAYBILL_DATABASE
        psql -X -At -d "$database" -c 'SELECT 1' >>"$log/database.log" 2>&1 9>&- ||
            fail 'the server of WAYBILL_DATABASE cannot be used' "$log/database.log" \
                'mend the connection string, or unset it to use a private PostgreSQL'
        end postgres INT 60 QUIT
    else
        if [ -n "$wanted_data" ] && [ "$wanted_data" != "$data" ]; then
            end broker TERM 30
            end postgres INT 60 QUIT
            mkdir -p "$wanted_data" 2>/dev/null && [ -w "$wanted_data" ] ||
                fail "$wanted_data cannot be written" '' 'name another directory with --data'
            data=$wanted_data
            printf '%s\n' "$data" >"$var/place"
        fi
        pg_start
        database=$(private_conninfo)
    fi
    (umask 077 && printf '%s\n' "$database" >"$run/database")
}

endpoint() {
    echo "tcp://127.0.0.1:${port[$1]}"
}

broker_ready() {
    answers "${port[health]}" /readyz
}
gateway_ready() {
    answers "${port[gateway]}" /readyz
}
demo_ready() {
    [ -s "$run/sample" ]
}

# The gateway's addresses, in its own words. A kernel may be without IPv6.
listen_on() {
    if [ $reach = all ]; then
        [ -s /proc/net/if_inet6 ] && echo "[::]:$1" || echo "0.0.0.0:$1"
    else
        grep -qs '^0*1 .* lo$' /proc/net/if_inet6 && echo "127.0.0.1:$1 [::1]:$1" ||
            echo "127.0.0.1:$1"
    fi
}

start_all() {
    local address='' listen
    install_packages
    build
    choose_ports
    choose_database

    [ $reach = local ] || address=$(lan_address)
    listen=$(listen_on "${port[gateway]}")
    public_url="http://${address:-localhost}:${port[gateway]}"

    ensure broker 60 broker_ready "$bin/waybilld" --ingest "$(endpoint ingest)" \
        --live "$(endpoint live)" --streams "$(endpoint streams)" \
        --http "127.0.0.1:${port[health]}" --public-url "$public_url"
    ensure gateway 60 gateway_ready "$bin/waybill-gateway" --listen "$listen" \
        --streams "$(endpoint streams)"
    if [ -n "$demo" ]; then
        ensure demo 60 demo_ready "$bin/waybill-demo" --ingest "$(endpoint ingest)" \
            --sample "$run/sample"
    else
        end demo TERM 30
    fi
}

stop_all() {
    local name pid some=''
    for name in demo gateway broker postgres; do
        ! running "$name" || some=1
    done
    end demo TERM 30
    end gateway TERM 30
    end broker TERM 60
    end postgres INT 60 QUIT
    [ -n "$some" ] && say 'Stopped. The database stays.' || say 'Nothing of this clone runs.'
}
