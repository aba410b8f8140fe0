# shellcheck shell=sh
# shellcheck disable=SC2086 # options and packages are several words
# How dnf installs packages, or yum where there is no dnf. One may be NAME-VERSION.
# READING are options that keep either from writing anything, for those who only ask.
if command -v dnf >/dev/null; then
    manager() { dnf --setopt=install_weak_deps=False $READING "$@"; }
    mend() { manager -y -q remove --duplicates >/dev/null; }
else
    manager() { yum $READING "$@"; }
    mend() { package-cleanup -y -q --cleandupes >/dev/null; }
fi

# The packages that would go if these came, with the versions they have. What is in conflict the manager refuses
# itself; what is obsolete it does not.
removals() {  # PACKAGE...
    manager --assumeno install "$@" 2>/dev/null | awk '
        $1 == "replacing" { sub(/\.[^.]*$/, "", $2); print $2, $3 }
        /^[^ ]/ || /^$/ { going = /^Removing/ }
        going && /^ [^ ]/ { print $1, $3 }'
}

# `install` leaves a newer package alone that was to be older: `downgrade` is asked then. NAMES are all packages'
# names, PINNED those with a version, which rpm asks for without its epoch.
install_packages() {  # PACKAGE...
    twice=$(rpm -q $NAMES --qf '%{NAME}\n' | sort | uniq -d)
    [ -z "$twice" ] || mend || return 1
    manager -y -q clean expire-cache >/dev/null
    removals "$@" | refuse_removals || return 1
    manager -y -q install "$@" >/dev/null || return 1
    [ -z "$PINNED" ] || rpm -q $PINNED >/dev/null || manager -y -q downgrade $PINNED >/dev/null
}
