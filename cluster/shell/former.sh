# shellcheck shell=sh
# Ending services of which the host shall have none any more.
# UNITS: the services; RECORDS: where units write down what they are started with
# URLS: API servers that stay; PKI: where the host's own certificate is

# shellcheck disable=SC2086,SC2329 # several words; called by what follows, as are those below
ended() { ! systemctl is-active -q $UNITS && ! systemctl is-enabled -q $UNITS 2>/dev/null; }

# shellcheck disable=SC2329
others_serve() {
    for url in $URLS; do
        ! curl -sf -o /dev/null --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/client.crt" --key "$PKI/client.key" \
            "$url/readyz" || return 0
    done
    return 1
}

# shellcheck disable=SC2086,SC2329
end() {
    others_serve || {
        echo "no API server of the masters that stay is ready ($URLS): nothing was stopped. Mend one of them, or keep a" \
            "master that serves in the group for this run" >&2
        exit 1
    }
    for unit in $UNITS; do
        ! systemctl cat "$unit" >/dev/null 2>&1 || systemctl stop "$unit" || exit 1
        systemctl disable -q "$unit" 2>/dev/null
        rm -f "/etc/systemd/system/multi-user.target.wants/$unit.service" "$RECORDS/$unit.inputs"
    done
    systemctl reset-failed $UNITS 2>/dev/null
    true
}
