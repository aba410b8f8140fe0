# shellcheck shell=sh
# shellcheck disable=SC2046,SC2086 # options and packages are several words
# How apt installs packages. One may be NAME=VERSION, where the version may lack its epoch and its release.
# READING are options that keep apt from writing anything, for those who only ask.
export DEBIAN_FRONTEND=noninteractive
WAYS="--no-install-recommends --allow-downgrades"

# Versions as the repositories write them; left as it is where none of them has it, for apt to say so.
exact() {  # PACKAGE...
    for spec; do
        found=
        case $spec in
            *=*) found=$(apt-cache $READING madison "${spec%%=*}" 2>/dev/null | cut -d'|' -f2 |
                while read -r version; do
                    bare=${version#*:}
                    for form in "$version" "${version%-*}" "$bare" "${bare%-*}"; do
                        [ "$form" != "${spec#*=}" ] || echo "${spec%%=*}=$version"
                    done
                done | head -n1) ;;
        esac
        echo "${found:-$spec}"
    done
}

# Those that some repository has.
known() {  # PACKAGE...
    for spec; do
        apt-cache $READING policy "${spec%%=*}" 2>/dev/null | grep -q '^  Candidate: [^(]' && echo "$spec"
    done
}

# The packages that would go if these came, with the versions they have.
removals() {  # PACKAGE...
    apt-get -qq -s $READING $WAYS install $(exact "$@") 2>/dev/null |
        sed -n 's/^Remv \([^ ]*\) \[\([^]]*\)\].*/\1 \2/p'
}

apt() {
    apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >/dev/null
}

install_packages() {  # PACKAGE...
    if [ -n "$(ls -A /var/lib/dpkg/updates)" ]; then  # what a killed run left half installed is finished first
        apt install 2>/dev/null
        dpkg --configure -a >/dev/null || return 1
    fi
    apt update || return 1
    # Where none may go, apt keeps them itself, and is asked which it would take only once it has refused.
    keep=--no-remove
    [ -z "$REMOVES" ] || { keep='' && removals "$@" | refuse_removals; } || return 1
    apt install -y $keep $WAYS -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold $(exact "$@") || {
        [ -n "$REMOVES" ] || removals "$@" | refuse_removals
        return 1
    }
}
