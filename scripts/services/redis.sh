# shellcheck shell=bash disable=SC2034,SC2154
# Redis, from Debian. Sourced by services.sh, which sets DIR, PORT and PASSWORD.

redis_missing() { has redis-server redis-cli || echo redis-server; }

redis_start() {
  # The title stays as it was started, for pid_of; everything is on disk, so a restart keeps the queues.
  cat >"$DIR/redis/redis.conf" <<EOF
bind 127.0.0.1
port $PORT
requirepass $PASSWORD
dir $DIR/redis/data
daemonize no
set-proc-title no
save ""
appendonly yes
maxmemory 256mb
maxmemory-policy noeviction
EOF
  mkdir -p "$DIR/redis/data"
  launch redis redis-server "$DIR/redis/redis.conf"
}

redis_answers() {
  [[ $(REDISCLI_AUTH=$PASSWORD timeout 5 redis-cli -h 127.0.0.1 -p "$PORT" ping 2>/dev/null) == PONG ]]
}

redis_version() { redis-server --version | sed -E 's/.* v=([^ ]+).*/\1/'; }

redis_env() {
  cat <<EOF
export REDIS_HOST=127.0.0.1
export REDIS_PORT=$PORT
export REDIS_PASSWORD=$PASSWORD
EOF
}

redis_test_env() { echo "export KGNB_TEST_REDIS_URL=redis://:$PASSWORD@127.0.0.1:$PORT/0"; }
