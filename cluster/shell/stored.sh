# shellcheck shell=sh
# What an API server does with Secrets: by what it was started with, or, where none runs, by what it would be.
#
# CONFIG  its encryption configuration, but for the key    WHOLE  the same as it was started with

# Prints "encrypted" where it encrypts what it writes, "read" where it only reads what is, and nothing where it cannot.
# shellcheck disable=SC2329 # called by what follows
stored() {  # PID, 0: none runs
    by=$CONFIG
    if [ "$1" != 0 ]; then
        by=$WHOLE
        # Its arguments end with NUL each.
        grep -qszxF -e "--encryption-provider-config=$WHOLE" "/proc/$1/cmdline" || return 0
    fi
    # The first provider is the one that writes.
    [ -r "$by" ] || return 0
    while read -r line; do
        case $line in
        *secretbox:*) echo encrypted && return ;;
        *identity:*) echo read && return ;;
        esac
    done <"$by"
}
