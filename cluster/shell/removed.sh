# shellcheck shell=sh
# Files that go from a host, units among them.
# FILES: their paths

# shellcheck disable=SC2329 # called by what follows, as is the other
removed() {
    for file in $FILES; do
        [ ! -e "$file" ] || exit 1
    done
}

# shellcheck disable=SC2086,SC2329 # several words
remove() { rm -f $FILES && systemctl daemon-reload; }
