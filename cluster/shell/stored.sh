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
        tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF -e "--encryption-provider-config=$WHOLE" || return 0
    fi
    # The first provider is the one that writes.
    [ ! -r "$by" ] || awk '/secretbox:/ { print "encrypted"; exit } /identity:/ { print "read"; exit }' "$by"
}
