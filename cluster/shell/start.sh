# shellcheck shell=sh
# What starting units and waiting for them is made of. `ready` is defined anew before each `await`.

show() {  # PROPERTY UNIT
    systemctl show -p "$1" "$2" | cut -d= -f2-
}

invocation() {  # UNIT: systemd's id of its start
    id=$(show InvocationID "$1")
    echo "${id:-$(show InactiveExitTimestampMonotonic "$1")}"
}

deaths() {  # UNIT: how often systemd has had to start it again
    count=$(show NRestarts "$1")
    echo "${count:-0}"
}

again() {  # UNIT...: those that systemd has started itself meanwhile, perhaps with what stood there before
    for unit; do
        case $(show ActiveState "$unit") in
        inactive | failed) ;;
        *) systemctl restart --no-block "$unit" || exit 1 ;;
        esac
    done
}

reload() {  # UNIT HINT
    systemctl reload "$1" || {
        echo "$1 does not reload, and goes on as it was. Its last log lines:"
        journalctl -u "$1" -n 15 --no-pager -o cat | cut -c1-400
        echo "Likely cause: $2"
        exit 1
    } >&2
}

# Each may take PATIENCE seconds; one that dies five times meanwhile does not need them all to be called broken.
# The message has the unit's last log lines, what it says of its readiness, and the likely cause.
await() {  # UNIT HINT DEATHS BEFORE: how often it had died, and the invocation that shall have ended
    end=$(($(date +%s) + PATIENCE))
    until now=$(invocation "$1") && [ "$now" != "$4" ] && systemctl is-active -q "$1" && (ready) >/dev/null 2>&1; do
        died=0 why=
        [ "$now" = "$4" ] || died=$(deaths "$1")
        [ "$died" -lt "$3" ] || died=$((died - $3))
        [ "$died" -lt 5 ] || why="died $died times"
        [ "$(date +%s)" -lt $end ] || why="is not ready after $PATIENCE s"
        [ -z "$why" ] || {
            echo "$1 $why. Its last log lines:"
            journalctl -u "$1" -n 400 --no-pager -o cat | grep -vE "$NOISE" | tail -n 15 | cut -c1-400
            said=$( (ready) 2>/dev/null | tail -n 20 | cut -c1-400)
            [ -z "$said" ] || printf 'Asked whether it is ready:\n%s\n' "$said"
            echo "Likely cause: $2"
            exit 1
        } >&2
        sleep 0.1
    done
}
