# shellcheck shell=sh
# Writes files, each with its final content, owner and mode before it is in its place. `put` follows for each.
set -eu
umask 077
new=
trap '[ -z "$new" ] || rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM

put() {  # PATH OWNER MODE SHA256 CONTENT [TEST]: the content in base64, and a command that must accept the new file
    [ -d "${1%/*}" ] || (umask 022 && mkdir -p "${1%/*}")
    new=$1.container-cloud
    printf %s "$5" | base64 -d >"$new"
    [ "$(sha256sum <"$new" | cut -c1-64)" = "$4" ] || {
        echo "$1 did not arrive whole: it is as it was" >&2
        exit 1
    }
    # shellcheck disable=SC2086 # several words
    [ -z "${6-}" ] || $6 "$new" >&2 || {
        echo "$1 is left as it is: $6 does not accept the new one" >&2
        exit 1
    }
    chown "$2" "$new"
    chmod "$3" "$new"
    mv -fT "$new" "$1"
    new=
}
