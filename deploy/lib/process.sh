# Processes that outlive quickstart, and the ports they listen on. Needs: run, log (directories).
#
# A process is remembered as 'PID START', START being when the kernel started it: a number that was
# given to somebody else's process in the meantime is never taken for ours.

started_at() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    # The name in parentheses may hold anything; START is the 20th field behind it.
    set -- ${stat##*) }
    # A zombie has ended; only its parent has not looked yet.
    [ "$1" != Z ] || return 1
    echo "${20}"
}

pid_of() {
    local pid start
    { read -r pid start <"$run/$1.pid"; } 2>/dev/null || return 1
    [ "$(started_at "$pid")" = "$start" ] || return 1
    echo "$pid"
}

running() {
    pid_of "$1" >/dev/null
}

# launch NAME COMMAND...: starts it in a session of its own, without our lock, its words in the log.
launch() {
    local name=$1 pid start
    shift
    { printf -- '--- '; date '+%F %T'; } >>"$log/$name.log"
    setsid "$@" </dev/null >>"$log/$name.log" 2>&1 9>&- &
    pid=$!
    disown "$pid"
    start=$(started_at "$pid") || return 0
    echo "$pid $start" >"$run/$name.pid"
}

# end NAME SIGNAL SECONDS [LAST_SIGNAL]: asks, waits, and ends it by force if it does not listen.
end() {
    local name=$1 signal=$2 last=${4:-KILL} pid
    local -i tenths=$3*10
    if pid=$(pid_of "$name"); then
        kill -"$signal" "$pid" 2>/dev/null || true
        while running "$name"; do
            if ((tenths-- == 0)); then
                echo "$name did not end within $3 s; ending it with SIG$last" >&2
                kill -"$last" "$pid" 2>/dev/null || true
            fi
            sleep 0.1
        done
    fi
    rm -f "$run/$name.pid" "$run/$name.as"
}

# Listening TCP ports, of all addresses and both families.
listening() {
    awk '$4 == "0A" { sub(/.*:/, "", $2); print $2 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null ||
        true
}

port_free() {
    ! listening | grep -qix "$(printf '%04x' "$1")"
}

# choose_port NAME PREFERRED OWNER: sets port[NAME] to the one remembered, else the preferred, else
# the next free one. What OWNER listens on while it runs, it keeps.
choose_port() {
    local name=$1 candidate=${port[$1]:-$2}
    local -i tries=200
    if [ -n "${port[$name]:-}" ] && running "$3"; then return; fi
    unset "port[$name]"
    while
        [[ " ${port[*]} " = *" $candidate "* ]] || ! port_free "$candidate"
    do
        candidate=$((candidate + 1))
        ((tries-- > 0)) || fail "no port is free from $2 on" '' 'end what listens on them'
    done
    port[$name]=$candidate
}

load_ports() {
    local name number
    [ -f "$var/ports" ] || return 0
    while IFS='=' read -r name number; do
        [[ $number =~ ^[0-9]+$ ]] && port[$name]=$number
    done <"$var/ports"
}

save_ports() {
    local name
    for name in "${!port[@]}"; do echo "$name=${port[$name]}"; done | sort >"$var/ports"
}

# answers PORT PATH: true if the HTTP server on the loopback port says 200.
answers() {
    local status=''
    {
        exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
        printf 'GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$2" "$1" >&3
        IFS= read -r -t 5 status <&3 || true
        exec 3>&-
    } 2>/dev/null
    [[ $status = 'HTTP/1.'?' 200'* ]]
}

# await NAME SECONDS COMMAND...: until the command is true; fails when NAME ends before that.
await() {
    local name=$1
    local -i tenths=$2*10
    shift 2
    until "$@"; do
        running "$name" || return 1
        ((tenths-- > 0)) || return 1
        sleep 0.1
    done
}
