# shellcheck shell=sh
# Changes etcd's members, one at a time, asked of those at the variable `endpoint`. What etcd refuses only for now, it is
# asked again for PATIENCE seconds: it counts a member as there once it has been connected for five.

change() {  # WORD... of etcdctl member
    end=$(($(date +%s) + PATIENCE))
    until said=$(e member "$@" 2>&1); do
        case $said in
        *"unhealthy cluster"* | *"not enough started members"* | *"too many learner"* | *deadline* | *"timed out"*) ;;
        *"leader changed"* | *"no leader"*) ;;
        *"member not found"* | *"Peer URLs already exists"*) return 0 ;;
        *) echo "etcdctl member $*: $said" >&2 && exit 1 ;;
        esac
        [ "$(date +%s)" -lt $end ] || { echo "etcdctl member $* was refused for $PATIENCE s: $said" >&2 && exit 1; }
        sleep 1
    done
}
