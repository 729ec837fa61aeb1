# What runs, for people and for programs. Needs: var, run, port, bin.

# A JSON string, or null.
json_text() {
    local text=$1
    if [ -z "$text" ]; then
        echo null
        return
    fi
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\t'/\\t}
    printf '"%s"\n' "${text//$'\n'/\\n}"
}

json_pid() {
    pid_of "$1" || echo null
}

# The demonstration's sample case: number, code and link, each on a line of its own, as the broker
# gives them now. Nothing if there is none.
sample() {
    local case_no said field
    case_no=$(sed -n 's/.*"case_no": *"\([^"]*\)".*/\1/p' "$run/sample" 2>/dev/null)
    [ -n "$case_no" ] || return 0
    said=$(timeout 20 "$bin/waybill" link --streams "$(endpoint streams)" --json "$case_no" \
        2>/dev/null) || return 0
    for field in case_no code link; do
        sed -n "s/.*\"$field\": *\"\([^\"]*\)\".*/\1/p" <<<"$said"
    done
}

report_status() {
    local up='' name database='' shown=() link=''
    ! running broker || ! running gateway || up=1
    [ ! -f "$run/database" ] || database=$(<"$run/database")
    if [ -n "$up" ]; then
        mapfile -t shown < <(sample)
    fi
    if [ -n "$1" ]; then
        report_json "$database" "${shown[@]}"
    else
        for name in broker gateway postgres demo; do
            printf '%-9s %s\n' "$name" "$(pid_of "$name" || echo 'does not run')"
        done
        [ -z "$up" ] || printf '%-9s %s\n' page "${shown[2]:-http://localhost:${port[gateway]}/}" \
            ingest "$(endpoint ingest)" live "$(endpoint live)" streams "$(endpoint streams)" \
            database "$database"
    fi
    [ -n "$up" ]
}

# report_json DATABASE [CASE CODE LINK]: what does not run is null.
report_json() {
    local database='' case_no=${2:-} code=${3:-} link=${4:-} gateway='' ingest='' live=''
    local streams='' sample=null
    ! running gateway || gateway=http://127.0.0.1:${port[gateway]}
    if running broker; then
        ingest=$(endpoint ingest) live=$(endpoint live) streams=$(endpoint streams) database=$1
    fi
    if [ -n "$case_no" ]; then
        sample=$(printf '{"case_no": %s, "code": %s, "link": %s}' "$(json_text "$case_no")" \
            "$(json_text "$code")" "$(json_text "$link")")
    fi
    printf '{"gateway": %s, "ingest": %s, "live": %s, "streams": %s, "database": %s, ' \
        "$(json_text "$gateway")" "$(json_text "$ingest")" "$(json_text "$live")" \
        "$(json_text "$streams")" "$(json_text "$database")"
    printf '"pids": {"broker": %s, "gateway": %s, "postgres": %s, "demo": %s}, "sample": %s}\n' \
        "$(json_pid broker)" "$(json_pid gateway)" "$(json_pid postgres)" "$(json_pid demo)" \
        "$sample"
}

report_links() {
    local shown=() here there
    mapfile -t shown < <(sample)
    here=http://localhost:${port[gateway]}/ there=$public_url/
    if [ ${#shown[@]} = 3 ]; then
        there=${shown[2]}
        here=http://localhost:${port[gateway]}/${there#*://*/}
    fi
    say '' 'Waybill runs.' ''
    if [[ $there = http://localhost:* ]]; then
        printf '  %s\n' "$here"
    else
        printf '  on this machine                  %s\n' "$here"
        printf '  on a phone in the same network   %s\n' "$there"
        if [ ${#shown[@]} = 3 ]; then
            say ''
            "$bin/waybill" link --streams "$(endpoint streams)" "${shown[0]}" | tail -n +3
        fi
    fi
    say ''
    if [ $reach = all ]; then
        say 'Its pages are open to whoever reaches this machine; --local keeps them on it.'
    fi
    [ -z "$demo" ] || say 'The district is made up, and keeps moving while it runs.'
    say 'What runs: deploy/quickstart --status. To end it: deploy/quickstart --stop.'
}
