# shellcheck shell=sh
# Prints the digest of each program: the one that was wanted, SHA-256 or SHA-512, while the file is the one that was
# placed with it; else its own SHA-256.
# A file that is known by size, change time and inode is not read; one restored from an image is, once a question.
digests() {  # PATH...
    stat -c '%s:%Z:%i %n' "$@" 2>/dev/null | while read -r known path; do
        digest='' as='' of='' own=''
        [ ! -r "$RECORDS/${path##*/}" ] || read -r digest as of own <"$RECORDS/${path##*/}"
        if [ "$of" != "$path" ] || [ "$as" != "$known" ]; then
            now=$(sha256sum <"$path" | cut -c1-64)
            [ "$of" = "$path" ] && [ "$own" = "$now" ] || digest=$now
        fi
        echo "program $digest $path"
    done
}
