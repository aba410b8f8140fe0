# shellcheck shell=sh
# Whether pods start on this node, and a place among them to ask others from: a network namespace plugged into docker0 as
# a container's is, with an address of the lease that no container has. What is sent to its PORT comes back. It goes by
# itself after LIFE seconds, and takes its cable along: nothing of it is left, whoever is killed.
# IMAGE: of every pod's first container

say() { printf '%s\n' "$*"; }

# As the kubelet runs now. It starts no pod without the file.
resolvers() {
    pid=$(systemctl show -p MainPID kubelet | cut -d= -f2)
    [ "${pid:-0}" != 0 ] || return 0
    given=$(tr '\0' '\n' < "/proc/$pid/cmdline" | grep -e '^--resolv-conf=' | tail -n 1)
    file=${given#--resolv-conf=}
    [ -n "$given" ] || file=/etc/resolv.conf
    [ -z "$file" ] || [ -r "$file" ] || say "trouble no pod starts: the kubelet reads $file, which is not there"
}

# A kubelet that ran before Docker did looks at it every 5 s, and tells the API server every 10 s (and 4 %) what it saw:
# until both are over, a node that is called Ready may yet be called not Ready, for a Docker that was down.
heard() {
    docker_at=$(at docker ActiveEnterTimestampMonotonic)
    [ "$(at kubelet ExecMainStartTimestampMonotonic)" -lt "$docker_at" ] || return 0
    left=$((docker_at / 1000000 + 16 - $(cut -d. -f1 /proc/uptime)))
    [ $left -le 0 ] || sleep $left
}

# When something of a unit was, in microseconds; 0 where it never was.
at() {  # UNIT PROPERTY
    t=$(systemctl show -p "$2" "$1" | cut -d= -f2)
    echo "${t:-0}"
}

# Once after each start of Docker; that it did is written down for as long as it runs.
containers_start() {
    own=container-cloud-check record=/run/container-cloud/docker.starts-containers
    docker=$(systemctl show -p InvocationID,InactiveExitTimestampMonotonic docker | tr '\n' ' ')
    [ "$docker$IMAGE" != "$(cat $record 2>/dev/null)" ] || return 0
    docker rm -f $own >/dev/null 2>&1 # of one that was killed
    if why=$(timeout 90 docker run -d --rm --name $own "$IMAGE" 2>&1); then
        docker rm -f $own >/dev/null 2>&1
        heard
        printf %s "$docker$IMAGE" > $record
    else
        say "trouble no pod starts: docker run $IMAGE: $(say "$why" | grep -v '^See ' | tail -n 1)"
    fi
}

number() {
    IFS=./
    # shellcheck disable=SC2086 # four numbers and a length
    set -- $1
    unset IFS
    echo $((($1 << 24) + ($2 << 16) + ($3 << 8) + $4))
}

address() { echo "$(($1 >> 24)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"; }

# Where the lease in $1 ends, less $2: containers get the first free address, so the last ones are taken last.
from_the_end() { address $((($(number "$1") | ((1 << (32 - ${1#*/})) - 1)) - $2)); }

# As Docker makes a container's of its address: whoever has spoken to the last place there finds the next one, too.
hardware() {
    IFS=.
    # shellcheck disable=SC2086 # four numbers
    printf '02:42:%02x:%02x:%02x:%02x' $1
    unset IFS
}

containers() {
    curl -s --max-time 5 --unix-socket /run/docker.sock http://d/networks/bridge |
        grep -o '"IPv4Address":"[0-9.]*' | cut -d'"' -f4 | tr '\n' ' '
}

# What holds the place. Connections that nobody ends would keep the namespace, and the cable with it: that goes first.
# shellcheck disable=SC2016 # for the shell in there
hold='
timeout "$1" socat "TCP-LISTEN:$2,fork,reuseaddr" PIPE </dev/null >/dev/null 2>&1 &
echo "pid $!"
exec </dev/null >/dev/null 2>&1
wait
ip link delete eth0
'

# In the namespace. A cable's name can be given once: whoever has it has the address.
# shellcheck disable=SC2016 # for the shell in there
inside='
cable=$1 place=$2 gateway=$3 mtu=$4 life=$5 port=$6 hold=$7 hardware=$8
ip link add eth0 address "$hardware" mtu "$mtu" type veth peer name "$cable" mtu "$mtu" netns 1 || exit 1
nsenter --net=/proc/1/ns/net ip link set "$cable" master docker0 up || exit 1
printf "%s\n" "link set lo up" "address add $place dev eth0" "link set eth0 up" "route add default via $gateway" |
    ip -batch - || exit 1
setsid sh -c "$hold" sh "$life" "$port" &
'

# Prints the lease, and address and process of the place; or what is in the way.
open_place() {
    [ -r /run/flannel/subnet.env ] || return 0
    . /run/flannel/subnet.env
    say "lease $FLANNEL_SUBNET"
    command -v socat >/dev/null || { say "trouble socat is not there"; return; }
    ip link show dev docker0 >/dev/null 2>&1 || { say "trouble docker0 is not there"; return; }
    gateway=${FLANNEL_SUBNET%/*} length=${FLANNEL_SUBNET#*/}
    taken=" $gateway $(containers) " why="every address at the end of $FLANNEL_SUBNET is taken"
    last=1
    while [ $last -le 16 ]; do
        place=$(from_the_end "$FLANNEL_SUBNET" $last) cable=podcheck$last last=$((last + 1))
        case $taken in *" $place "*) continue ;; esac
        [ ! -e "/sys/class/net/$cable" ] || continue # of a run a moment ago
        if why=$(
            unshare --net sh -c "$inside" sh $cable "$place/$length" "$gateway" "$FLANNEL_MTU" "$LIFE" "$PORT" "$hold" \
                "$(hardware "$place")" 2>&1
        ); then
            say "address $place"
            say "$why"
            return
        fi
    done
    say "trouble no place in the pod network: $(say "$why" | tr '\n' ' ')"
}
