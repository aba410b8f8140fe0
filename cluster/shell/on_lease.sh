# shellcheck shell=sh
# True if Docker runs on flannel's lease: its process was told so, and docker0 has that address.
bip=$(sed -n 's/.*--bip=\([0-9./]*\).*/\1/p' /run/flannel/docker.env)
pid=$(systemctl show -p MainPID docker | cut -d= -f2)
[ -n "$bip" ] && tr '\0' '\n' < "/proc/$pid/cmdline" | grep -qx -e "--bip=$bip" &&
    ip -4 -o addr show dev docker0 | grep -q " inet $bip "
