#!/usr/bin/env bash
# Real Redis, MariaDB and Neo4j Community for tests, on loopback, on Debian 12.
#
#   scripts/services.sh start|stop|status [redis] [mariadb] [neo4j]     no name = all three
#   scripts/services.sh env        prints what the last start wrote to .services/env
#
# `start` installs what is missing (as root, with apt and Maven), waits until each service answers, and prints
# export lines on stdout: eval "$(scripts/services.sh start)". The same lines are kept in .services/env; tests
# source .services/test-env, whose KGNB_TEST_* names switch nothing but tests. Exit 0 = all there, 2 = wrong usage,
# 3 = at least one service can't be had: the reason is on stderr and its variables are not in the files.
#
# Settings: KGNB_SERVICES_DIR (.services in the checkout), KGNB_SERVICES_REDIS_PORT, KGNB_SERVICES_MARIADB_PORT,
# KGNB_SERVICES_NEO4J_PORT (each folder keeps the ports of its first start), KGNB_SERVICES_WAIT (120 seconds a
# service), KGNB_NEO4J_VERSION (the one in services/neo4j.pom.xml).
#
# What is special about one service lies in services/NAME.sh: NAME_missing, _start, _answers, _version, _env, _test_env.
set -uo pipefail
umask 077 # passwords lie in the files written here

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIR=$(realpath -m "${KGNB_SERVICES_DIR:-$HERE/../.services}")
WAIT=${KGNB_SERVICES_WAIT:-120}
PATH=$PATH:/usr/sbin:/sbin
declare -A DEFAULT_PORT=([redis]=17379 [mariadb]=17306 [neo4j]=17687)
# shellcheck source=/dev/null
for name in "${!DEFAULT_PORT[@]}"; do source "$HERE/services/$name.sh"; done

say() { echo "services: $*" >&2; }
fail() { say "$*"; exit 1; } # only in the subshell of one service

# ---------------------------------------------------------------- processes, ports, passwords

# The pid of a service of this folder, and nothing when it isn't running. A pid file outlives a crash and its number
# may be another program's by now, so the command line must name our folder too.
pid_of() {
  local pid
  pid=$(cat "$DIR/$1/pid" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$DIR/$1/" && echo "$pid"
}

port_busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Sets PORT: the one asked for, else the one this folder had before, else the first free one from the default on.
choose_port() {
  local variable=KGNB_SERVICES_${1^^}_PORT
  PORT=${!variable:-$(cat "$DIR/$1/port" 2>/dev/null)}
  if [[ -z $PORT ]]; then
    PORT=${DEFAULT_PORT[$1]}
    while port_busy "$PORT"; do PORT=$((PORT + 1)); done
  fi
  [[ $PORT =~ ^[0-9]{1,5}$ ]] || fail "$1: $variable=$PORT is not a port number"
  port_busy "$PORT" && fail "$1: port $PORT is in use by another program; set $variable to a free one"
  echo "$PORT" >"$DIR/$1/port"
}

# Sets PASSWORD: made once per folder; 32 hex digits, so it needs quoting nowhere.
choose_password() {
  local file=$DIR/$1/password
  [[ -s $file ]] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$file"
  # shellcheck disable=SC2034 # the services read it
  PASSWORD=$(<"$file")
}

# launch NAME COMMAND...: in the background, in a session of its own, holding none of our files.
launch() {
  local name=$1
  shift
  setsid "$@" >>"$DIR/$name/log" 2>&1 </dev/null 8>&- 9>&- &
  echo $! >"$DIR/$name/pid"
  # Until the new process has its own command line, pid_of doesn't know it: on a busy machine that takes seconds.
  for _ in {1..3000}; do
    pid_of "$name" >/dev/null && return
    kill -0 $! 2>/dev/null || return 0 # it ended; await says so
    sleep 0.01
  done
}

# Waits until the service answers a real request; a service that died or stays silent is an error.
await() {
  local name=$1 until=$((SECONDS + WAIT))
  until "${name}_answers"; do
    if ! pid_of "$name" >/dev/null; then
      tail -n 15 "$DIR/$name/log" >&2
      fail "$name: it ended while starting; the end of $DIR/$name/log is above"
    fi
    if ((SECONDS >= until)); then
      stop_one "$name"
      fail "$name: no answer within $WAIT seconds, stopped; see $DIR/$name/log (KGNB_SERVICES_WAIT waits longer)"
    fi
    sleep 0.2
  done
}

# ---------------------------------------------------------------- installing

# The Debian packages that the named services still need, in one line.
missing() {
  local name
  for name; do "${name}_missing"; done | xargs
}

has() {
  local program
  for program; do command -v "$program" >/dev/null || return 1; done
}

# Installs packages quietly; policy-rc.d keeps Debian from starting its own servers meanwhile.
install() {
  local log=$DIR/apt.log policy=/usr/sbin/policy-rc.d ours="" code=0
  ((EUID == 0)) || { say "not root, so I can't install: $*"; return 1; }
  say "installing $*"
  [[ -e $policy ]] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && ours=1; }
  {
    apt-get update -qq
    (umask 022; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "$@")
  } >>"$log" 2>&1 </dev/null 8>&- 9>&- || code=$?
  [[ -z $ours ]] || rm -f "$policy"
  ((code == 0)) || say "apt-get could not install $*: $(grep '^E:' "$log" | tail -n 1) (see $log)"
  return $code
}

# One apt run for everything; should that fail, one for each service, so that one missing package costs one service.
install_missing() {
  local name packages
  packages=$(missing "$@")
  [[ -n $packages ]] || return 0
  # shellcheck disable=SC2086 # a list of words
  install $packages && return 0
  (($# > 1)) || return 1
  for name; do
    packages=$(missing "$name")
    # shellcheck disable=SC2086
    [[ -z $packages ]] || install $packages
  done
}

# ---------------------------------------------------------------- commands

start_one() {
  local name=$1 began=$SECONDS lacks
  mkdir -p "$DIR/$name"
  rm -f "$DIR/$name/env" "$DIR/$name/test-env" # back when it answers
  choose_password "$name"
  if pid_of "$name" >/dev/null; then
    PORT=$(<"$DIR/$name/port")
  else
    lacks=$(missing "$name")
    [[ -z $lacks ]] || fail "$name: can't be had, not installed: $lacks"
    # Two folders that start at once must not choose one port: it is taken once the server answers.
    exec 8>"${TMPDIR:-/tmp}/kgnb-port-$name-$UID.lock"
    flock 8
    choose_port "$name"
    "${name}_start"
  fi
  await "$name"
  exec 8>&-
  "${name}_env" >"$DIR/$name/env"
  "${name}_test_env" >"$DIR/$name/test-env"
  say "$name $("${name}_version") answers on 127.0.0.1:$PORT, pid $(pid_of "$name") ($((SECONDS - began)) s)"
}

stop_one() {
  local name=$1 pid until=$((SECONDS + 30))
  if pid=$(pid_of "$name"); then
    kill "$pid"
    while pid_of "$name" >/dev/null && ((SECONDS < until)); do sleep 0.1; done
    if pid_of "$name" >/dev/null; then
      say "$name ignores SIGTERM for 30 seconds: killed"
      kill -KILL "$pid"
      while pid_of "$name" >/dev/null; do sleep 0.1; done
    fi
    say "$name stopped"
  fi
  rm -f "$DIR/$name/pid"
}

status_one() {
  local name=$1 pid
  pid=$(pid_of "$name") || { echo "$name: stopped"; return 3; }
  PORT=$(<"$DIR/$name/port")
  choose_password "$name"
  "${name}_answers" || { echo "$name: pid $pid runs on 127.0.0.1:$PORT but does not answer"; return 3; }
  echo "$name: $("${name}_version") answers on 127.0.0.1:$PORT, pid $pid"
}

start() {
  local name pids=() code=0
  install_missing "$@"
  for name; do
    (start_one "$name") &
    pids+=($!)
  done
  for name in "${pids[@]}"; do wait "$name" || code=3; done
  cat "$DIR"/*/env >"$DIR/env" 2>/dev/null
  cat "$DIR"/*/test-env >"$DIR/test-env" 2>/dev/null
  cat "$DIR/env"
  return $code
}

main() {
  local command=${1:-} name code=0 names=("${@:2}")
  ((${#names[@]} > 0)) || names=(redis mariadb neo4j)
  for name in "${names[@]}"; do [[ -n ${DEFAULT_PORT[$name]:-} ]] || command=usage; done
  if [[ $command == start || $command == stop ]]; then
    [[ $DIR != *[[:space:]]* ]] ||
      { say "MariaDB can't live in a path with a space: $DIR; set KGNB_SERVICES_DIR"; return 3; }
    mkdir -p "$DIR" || { say "the folder can't be made; set KGNB_SERVICES_DIR to one that can"; return 3; }
    exec 9>"$DIR/lock"
    flock 9 # one start or stop at a time in this folder
  fi
  case $command in
    start) start "${names[@]}" || code=$? ;;
    stop) for name in "${names[@]}"; do stop_one "$name"; done ;;
    status) for name in "${names[@]}"; do status_one "$name" || code=$?; done ;;
    env) cat "$DIR/env" || code=3 ;;
    *) say "usage: services.sh start|stop|status|env [redis] [mariadb] [neo4j]"; code=2 ;;
  esac
  return $code
}

main "$@"
