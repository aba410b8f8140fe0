# shellcheck shell=sh
# Fetches a file, and leaves it only if it is the one that the settings mean.
download() {  # URL SHA256 FILE
    { mkdir -p "${3%/*}" && curl -fsSL --retry 3 --connect-timeout 20 -o "$3" "$1"; } || {
        echo "cannot fetch $1" >&2
        return 1
    }
    sum=$(sha256sum <"$3" | cut -c1-64)
    [ "$sum" = "$2" ] || {
        rm -f "$3"
        echo "$1 has SHA-256 $sum, the settings say $2: not installed" >&2
        return 1
    }
}
