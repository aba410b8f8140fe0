# shellcheck shell=sh
# Prints "yes ADDRESS" where somebody answers, be it only to refuse what was said, and else "no ADDRESS".
# ADDRESSES: IPv4, with ports; PATIENCE: seconds to try

# All by one curl, which takes longer to start than to ask.
ask_all() {
    set --
    for a in $ADDRESSES; do
        set -- "$@" -o /dev/null "http://$a/"
    done
    timeout 3 curl -s --connect-timeout 2 -w '%{time_connect} %{url_effective}\n' "$@" 2>/dev/null
}

met() {  # ADDRESS
    case $told in *"0.000000 http://$1/"*) return 1 ;; *" http://$1/"*) ;; *) return 1 ;; esac
}

# curl says by its exit code who is not there (7) or says nothing (28).
answers() {  # ADDRESS
    curl -s -o /dev/null --connect-timeout 2 --max-time 3 "http://$1/" 2>/dev/null
    case $? in 7 | 28) return 1 ;; esac
}

ask() {  # ADDRESS
    until answers "$1"; do
        [ "$(date +%s)" -lt "$end" ] || { echo "no $1"; return; }
        sleep 0.2
    done
    echo "yes $1"
}

end=$(($(date +%s) + PATIENCE))
told=$(ask_all)
for a in $ADDRESSES; do
    if met "$a"; then echo "yes $a"; else ask "$a" & fi
done
wait
