# shellcheck shell=sh
# The cluster's names in /etc/hosts: BLOCK, once, where it was or at the end; every other line stays as it is.
# A block that lost its end ends with the last line that is written as the block's are. One that was appended to a
# last line without a newline is taken off it again.
renewed() {
    [ ! -e "$FILE" ] || BLOCK=$BLOCK FIRST=$FIRST LAST=$LAST awk '
        function block() { if (!done++) print ENVIRON["BLOCK"] }
        { line = $0; sub(/\r$/, "", line) }
        inside && line == ENVIRON["LAST"] { inside = 0; next }
        inside && line !~ /^[0-9a-f.:]+  [^ ]+( [^ ]+)*$/ { inside = 0 }
        inside { next }
        line == ENVIRON["LAST"] { next }
        (at = index(line, ENVIRON["FIRST"])) && substr(line, at) == ENVIRON["FIRST"] {
            if (at > 1) print substr(line, 1, at - 1)
            block()
            inside = 1
            next
        }
        { print }
        END { block() }
    ' "$FILE"
    [ -e "$FILE" ] || printf '%s\n' "$BLOCK"
}

check() {
    [ -e "$FILE" ] && [ "$(renewed)" = "$(cat "$FILE")" ]
}

repair() {
    new=$FILE.container-cloud
    trap 'rm -f "$new"' EXIT
    # With the file's mode, owner and label.
    { [ ! -e "$FILE" ] || cp -L --preserve=all "$FILE" "$new"; } && renewed >"$new" && mv -f "$new" "$FILE"
}
