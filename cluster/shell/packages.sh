# shellcheck shell=sh
# What comes before any installation of packages, whatever the manager.
# One run at a time installs, also after an earlier one was killed and its package manager goes on.
mkdir -p "$RUN" && exec 9>"$RUN/packages.lock"
flock -w 300 9 || {
    echo "an earlier run is still installing packages" >&2
    exit 1
}

# A service that comes now is enabled by the role that configures it, and not by its package: until then a host that
# boots starts none as the distribution has it.
new=
for unit in $UNITS; do
    case $unit in
        *.service) systemctl cat "$unit" >/dev/null 2>&1 || new="$new $unit" ;;
    esac
done

# UNITS are what the packages would act on by themselves. A start could wait for a configuration that is yet to come,
# and the package manager for it.
masked() {  # mask or unmask
    # shellcheck disable=SC2086 # several words
    [ -z "$UNITS" ] || systemctl "$1" -q --runtime $UNITS
}

# Nothing goes that was not announced: REMOVES are the packages that may.
refuse_removals() {  # those that would go, a line each on standard input
    more=
    while read -r name _; do
        case " $REMOVES " in
            *" $name "*) ;;
            *) more="$more $name" ;;
        esac
    done
    [ -z "$more" ] || {
        echo "nothing was installed, for it would remove$more: remove it yourself, or, if the run may, write it into" \
            "replace_packages" >&2
        return 1
    }
}

finish() {
    masked unmask
    # shellcheck disable=SC2086
    [ -z "$new" ] || systemctl disable -q $new 2>/dev/null
}

trap finish EXIT
masked mask
