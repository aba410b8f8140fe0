# shellcheck shell=sh
# Whether the member at PEER has a vote; one that has none is given it, which etcd refuses until it has caught up. Says why
# it has none. Members with a vote are asked: one without may not tell.
(
    # shellcheck disable=SC2034 # of etcdctl.sh
    endpoint=$URLS
    own=$(e member list -w simple 2>/dev/null | awk -F ', ' -v peer="$PEER" '$4 == peer { print $1, $6 }')
    case $own in
    *" false") ;;
    *" true")
        said=$(e member promote "${own% *}" 2>&1) || {
            echo "$said"
            sleep 0.5
            exit 1
        }
        ;;
    *) echo "etcd's members at $URLS do not list $PEER" && exit 1 ;;
    esac
) || exit 1
