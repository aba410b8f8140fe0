# shellcheck shell=sh
# Installs release files, side by side; behind fetch.sh. `begin` comes first, then `fetch` and `unpack`, then `end`.
# One run at a time installs, also after an earlier one was killed and its installation goes on.
begin() {
    failed=$RECORDS/.failed
    mkdir -p "$RECORDS" && exec 9>"$RECORDS/.lock"
    flock -w 300 9 || {
        echo "an earlier run is still installing programs" >&2
        exit 1
    }
    rm -f "$failed"
}

end() {
    wait
    [ ! -e "$failed" ]
}

# The record: the digest that is wanted, by what the file is known for as it was placed, and its own SHA-256.
place() {  # FILE PATH DIGEST [OWN]: if the file's own is known
    own=${4:-$(sha256sum <"$1" | cut -c1-64)} && chown root:root "$1" && chmod 755 "$1" && mv -f "$1" "$2" &&
        echo "$3 $(stat -c '%s:%Z:%i' "$2") $2 $own" >"$RECORDS/${2##*/}"
}

fetch() (  # URL DIGEST PATH
    rm -f "$3".new.*
    new=$3.new.$$
    trap 'rm -f "$new"' EXIT
    verified=''
    [ ${#2} != 64 ] || verified=$2
    { download "$1" "$2" "$new" && place "$new" "$3" "$2" "$verified"; } || touch "$failed"
)

place_all() {  # PATH...
    for path; do
        file=$(find "$unpacked" -type f -name "${path##*/}" | head -n1)
        [ -n "$file" ] || {
            echo "$url has no ${path##*/} in it" >&2
            return 1
        }
        place "$file" "$path" "$sum" || return 1
    done
}

unpack() (  # URL DIGEST PATH...
    url=$1 sum=$2 unpacked=${3%/*}/.new.$2
    shift 2
    rm -rf "$unpacked"
    trap 'rm -rf "$unpacked"' EXIT
    { download "$url" "$sum" "$unpacked/archive" && tar -xf "$unpacked/archive" -C "$unpacked" && place_all "$@"; } || touch "$failed"
)
