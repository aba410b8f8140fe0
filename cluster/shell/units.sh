# shellcheck shell=sh
# What systemd and /run know of services, which are named without ".service".
# PROPERTIES: systemd's; RECORDS: where units write down what they are started with
running=' '

# Prints what systemd knows behind "unit ", a line each; which programs they run behind "runs "; and what was written down
# behind "started ".
units() {  # UNIT...
    names='' programs='' id='' state=''
    for unit; do names="$names $unit.service"; done
    # shellcheck disable=SC2086 # several words
    shown=$(systemctl show -p "$PROPERTIES" $names 2>/dev/null)
    while IFS= read -r line; do
        echo "unit $line"
        case $line in
        Id=*) id=${line#*=} ;;
        ActiveState=*) state=${line#*=} ;;
        MainPID=0) ;;
        MainPID=*) programs="$programs /proc/${line#*=}/exe" ;;
        RequiredBy=* | BoundBy=* | ConsistsOf=*)
            for other in ${line#*=}; do
                ! systemctl is-active -q "$other" || echo "unit Along=$other"
            done
            ;;
        '')
            [ "$state" != active ] || running="$running$id "
            state=''
            ;;
        esac
    done <<END
$shown

END
    # shellcheck disable=SC2086
    [ -z "$programs" ] || stat -c 'runs %N' $programs 2>/dev/null
    for unit; do
        [ ! -r "$RECORDS/$unit.inputs" ] || while IFS= read -r line; do
            echo "started $unit $line"
        done <"$RECORDS/$unit.inputs"
    done
}

# Whether one of them runs: most have been asked for already.
# shellcheck disable=SC2329 # called by what follows
runs() {  # UNIT...
    for unit; do
        case $running in *" $unit.service "*) return ;; esac
    done
    systemctl is-active -q "$@"
}
