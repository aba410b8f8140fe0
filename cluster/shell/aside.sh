# shellcheck shell=sh
# Keeps a file that somebody else wrote below ASIDE, by its own path, before ours takes its place or it goes.
keep() {  # PATH
    kept=$ASIDE$1
    ! cmp -s "$1" "$kept" || return 0
    (umask 077 && mkdir -p "${kept%/*}") && cp -a --backup=numbered "$1" "$kept"
}
