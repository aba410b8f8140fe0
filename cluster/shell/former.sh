# shellcheck shell=sh
# Ending services of which the host shall have none any more, and what they alone read.
# UNITS: the services; FILES: paths; RECORDS: where units write down what they are started with

# shellcheck disable=SC2086,SC2329 # several words; called by what follows, as are those below
ended() { ! systemctl is-active -q $UNITS && ! systemctl is-enabled -q $UNITS 2>/dev/null; }

# shellcheck disable=SC2086,SC2329
end() {
    systemctl disable -q $UNITS 2>/dev/null
    systemctl stop $UNITS || exit 1
    for unit in $UNITS; do
        # Its file may be gone already, and with it systemd's knowledge of where it is wanted.
        rm -f "/etc/systemd/system/multi-user.target.wants/$unit.service" "$RECORDS/$unit.inputs"
    done
    systemctl reset-failed $UNITS 2>/dev/null
    true
}

# shellcheck disable=SC2329
removed() {
    for file in $FILES; do
        [ ! -e "$file" ] || exit 1
    done
}

# shellcheck disable=SC2086,SC2329
remove() { rm -f $FILES; }
