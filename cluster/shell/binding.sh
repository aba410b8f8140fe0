# shellcheck shell=sh
# What a ClusterRoleBinding binds, its role and its subjects, a line "KIND NAME" each; nothing where there is none.
# Behind api.sh.
bound=$(api 5 "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?fieldSelector=metadata.name%3D$BINDING") || exit 1
printf '%s\n' "$bound" | grep -o '"roleRef":{[^}]*}\|"subjects":\[[^]]*\]' | grep -o '{[^}]*}' |
    sed -n 's/.*"kind":"\([^"]*\)".*"name":"\([^"]*\)".*/\1 \2/p'
true
