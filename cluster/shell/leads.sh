# shellcheck shell=sh
# Whether no control loop of another host leads, so that one here may go on without election. Behind api.sh.
# NAMES: of the loops, as their leases are called; SECONDS_LEFT: after so many a lease that nobody renews is nobody's
for name in $NAMES; do
    # Without an API server nobody leads.
    lease=$(api 5 "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/$name") || continue
    field() { printf '%s\n' "$lease" | tr -d ' \n' | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
    holder=$(field holderIdentity)
    case $holder in '' | "$(uname -n)_"*) continue ;; esac
    renewed=$(date -d "$(field renewTime)" +%s)
    [ $(($(date +%s) - renewed)) -ge "$SECONDS_LEFT" ] || { echo "$name leads on ${holder%_*}" && exit 1; }
done
