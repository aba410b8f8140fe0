# shellcheck shell=sh
# Which of some objects are there and managed by whom this project applies as, a line "present RESOURCE" each. Behind
# api.sh: kubectl would take longer to begin than all of them take. Of an object only its metadata is asked for.
# OBJECTS: lines "PATH RESOURCE"; MANAGER: who applies
paths=$(printf '%s\n' "$OBJECTS" | cut -d' ' -f1 | tr '\n' ',')
api 5 "/{${paths%,}}" -H 'Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' \
    -w '\n%{http_code} %{url_effective}\n' | OBJECTS="$OBJECTS" awk -v manager="\"manager\":\"$MANAGER\"" '
    BEGIN {
        lines = split(ENVIRON["OBJECTS"], line, "\n")
        for (n = 1; n <= lines; n++) { split(line[n], words, " "); resource[words[1]] = words[2] }
    }
    /^[0-9]+ https:/ {
        path = $2
        sub("^https://[^/]*/", "", path)
        if ($1 == 200 && index(body, manager)) print "present " resource[path]
        if ($1 != 200 && $1 != 404) print "error the API server answers " $1 " when it is asked for " resource[path]
        body = ""
        next
    }
    { body = body $0 }'
