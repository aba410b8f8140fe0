# shellcheck shell=sh
# Prints "yes ADDRESS" where somebody answers, be it only to refuse what was said, and else "no ADDRESS".
# ADDRESSES: IPv4, with ports; PATIENCE: seconds to try

# Those that are met, as URLs: all asked by one curl, which takes longer to start than to ask. To one whose curl counts
# milliseconds nobody seems met who is near.
ask_all() {
    set --
    for a in $ADDRESSES; do
        set -- "$@" -o /dev/null "http://$a/"
    done
    timeout 3 curl -s --connect-timeout 2 -w '%{time_connect} %{url_effective}\n' "$@" 2>/dev/null |
        awk '$1 > 0 { print $2 }'
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
met=$(ask_all)
for a in $ADDRESSES; do
    case $met in *"http://$a/"*) echo "yes $a" ;; *) ask "$a" & ;; esac
done
wait
