# shellcheck shell=sh
# What a ClusterRoleBinding binds, its role and its subjects, a line "KIND NAME" each; nothing where there is none.
# BINDING is its path at the API server: kubectl then looks up no kinds, which it would write down in a cache.
bound=$(kubectl --kubeconfig="$KUBECONFIG" --request-timeout=5s get --raw "$BINDING" 2>&1) || case $bound in
    *NotFound*) bound='' ;;
    *) exit 1 ;;
esac
printf '%s\n' "$bound" | grep -o '"roleRef":{[^}]*}\|"subjects":\[[^]]*\]' | grep -o '{[^}]*}' |
    sed -n 's/.*"kind":"\([^"]*\)".*"name":"\([^"]*\)".*/\1 \2/p'
true
