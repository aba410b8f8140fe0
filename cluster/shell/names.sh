# shellcheck shell=sh
# Asks cluster DNS from a place among this node's pods, for a name of the cluster's own and for what lies outside, and
# again until it answers.
# inside: as in reach.sh; DNS: the address that pods ask; NAME: of a service; NAMES_PATIENCE: seconds

# RFC 1035, 4.1: an id, "recursion desired", one question: the name's labels, each behind its length; type; class. All at
# once, as one packet.
question() { # NAME TYPE
    labels='' left=$1
    while [ -n "$left" ]; do
        label=${left%%.*} left=${left#"${left%%.*}"} left=${left#.}
        octal ${#label}
        labels="$labels$byte$label"
    done
    octal "$2"
    # shellcheck disable=SC2059 # bytes
    printf "cc\001\000\000\001\000\000\000\000\000\000$labels\000\000$byte\000\001"
}

octal() { byte="\\$(($1 / 64))$(($1 / 8 % 8))$(($1 % 8))"; } # as printf takes it

A=1 NS=2 # types

# What a server says: yes; unknown, of a name that is not; "failed" and the code of RFC 1035, 4.1.1; nothing at all.
said() { # SERVER NAME TYPE [COMMAND]
    server=$1 asked=$2 type=$3
    shift 3
    # shellcheck disable=SC2046 # the header's bytes
    set -- $(question "$asked" "$type" | "$@" timeout 4 socat -t 3 - "UDP:$server:53,readbytes=12" 2>/dev/null | od -An -tu1)
    [ $# = 12 ] || return 0
    case $(($4 & 15)) in
    0) if [ $(($7 * 256 + $8)) -gt 0 ]; then echo yes; else echo unknown; fi ;;
    3) echo unknown ;;
    *) echo failed $(($4 & 15)) ;;
    esac
}

own() {
    until [ "$(said "$DNS" "$NAME" $A inside)" = yes ]; do
        [ "$(date +%s)" -lt "$last" ] || { echo "inside $(said "$DNS" "$NAME" $A inside)"; return; }
        sleep 0.2
    done
    echo "inside yes"
}

# The name servers of the root are a question that names nobody's domain. Whatever comes back from outside will do: that a
# name is not known, too. Where cluster DNS gets nothing, and this host's own resolvers no more, it is not its fault.
outside() {
    while :; do
        answer=$(said "$DNS" "" $NS inside)
        case $answer in yes | unknown) echo "outside yes"; return ;; esac
        others=$(resolvers_that_answer)
        [ -n "$others" ] && [ "$(date +%s)" -lt "$last" ] || break
        sleep 0.2
    done
    echo "outside $answer"
    for server in $others; do echo "resolver $server"; done
}

resolvers_that_answer() {
    sed -n 's/^nameserver[[:blank:]]*\([0-9.]*\).*/\1/p' /etc/resolv.conf | while read -r server; do
        case $(said "$server" "" $NS) in yes | unknown) echo "$server" ;; esac
    done
}

ask_names() {
    last=$(($(date +%s) + NAMES_PATIENCE))
    own &
    outside
    wait $!
}
