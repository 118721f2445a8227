#!/bin/sh
# Starts one kgnb command in a container: the arguments are kgnb's own (worker, status, build …).
#
# A secret may lie in a file (Docker and Kubernetes secrets): NAME_FILE=/run/secrets/… stands for NAME.
set -eu

for name in REDIS_PASSWORD DB_PASSWORD NEO4J_PASSWORD OPENAI_API_KEY; do
  eval "file=\${${name}_FILE:-}"
  [ -n "$file" ] || continue
  value=$(cat "$file") || exit 2 # cat has said what is wrong with it
  export "$name=$value"
done

case ${1:-} in
  sh | bash | python) exec "$@" ;;
esac
exec kgnb "$@" # in place of this shell, so that SIGTERM reaches the node
