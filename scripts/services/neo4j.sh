# shellcheck shell=bash disable=SC2034,SC2154
# Neo4j Community, from Maven Central. Sourced by services.sh, which sets HERE, DIR, PORT and PASSWORD.

POM=$HERE/services/neo4j.pom.xml

neo4j_missing() {
  neo4j_java >/dev/null || echo openjdk-17-jre-headless
  neo4j_classpath_valid || has mvn || echo maven
}

# Neo4j 5 wants Java 17 or 21; the default java may be another.
neo4j_java() {
  local java
  for java in "${JAVA_HOME:-/none}/bin/java" "$(command -v java)" /usr/lib/jvm/*/bin/java; do
    [[ -x $java ]] && "$java" -version 2>&1 | grep -qE 'version "(17|21)[."]' && echo "$java" && return 0
  done
  return 1
}

neo4j_wanted() { echo "${KGNB_NEO4J_VERSION:-$(sed -nE 's/.*<neo4j.version>(.*)<.*/\1/p' "$POM")}"; }

neo4j_classpath() { echo "$DIR/neo4j/classpath-$(neo4j_wanted)"; }

neo4j_classpath_valid() {
  local jars=() jar
  IFS=: read -ra jars 2>/dev/null <"$(neo4j_classpath)"
  ((${#jars[@]} > 0)) || return 1
  for jar in "${jars[@]}"; do [[ -f $jar ]] || return 1; done
}

neo4j_fetch() {
  local log=$DIR/neo4j/maven.log
  neo4j_classpath_valid && return 0
  has mvn || fail "neo4j: Maven is missing"
  say "neo4j: fetching Neo4j $(neo4j_wanted) with Maven"
  # -U: a download that failed before is tried again
  mvn -B -ntp -U -f "$POM" "-Dneo4j.version=$(neo4j_wanted)" dependency:build-classpath \
    "-Dmdep.outputFile=$(neo4j_classpath)" >"$log" 2>&1 </dev/null 8>&- 9>&- ||
    fail "neo4j: Maven could not fetch it: $(grep -m 1 '^\[ERROR\]' "$log") (see $log)"
}

neo4j_start() {
  local home=$DIR/neo4j java
  java=$(neo4j_java) || fail "neo4j: no Java 17 or 21 found"
  neo4j_fetch
  mkdir -p "$home/conf"
  # No call home; no lockout, so that a test with a wrong password doesn't lock the others out; the last line
  # saves five seconds of silence at each stop.
  cat >"$home/conf/neo4j.conf" <<EOF
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:$PORT
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=true
dbms.security.auth_max_failed_attempts=0
dbms.usage_report.enabled=false
server.memory.heap.initial_size=512m
server.memory.heap.max_size=512m
server.memory.pagecache.size=128m
db.tx_log.preallocate=false
db.logs.query.enabled=OFF
internal.server.bolt.thread_pool_shutdown_wait_time=1s
internal.dbms.bolt.netty_server_shutdown_quiet_period=0
EOF
  CLASSPATH=$(<"$(neo4j_classpath)")
  export CLASSPATH
  if [[ ! -e $home/data/dbms/auth.ini && ! -e $home/data/databases ]]; then
    # "@file" makes the admin tool read the password from the file: never on a command line
    NEO4J_HOME=$home NEO4J_CONF=$home/conf "$java" org.neo4j.cli.AdminTool dbms set-initial-password \
      "@$home/password" >>"$home/log" 2>&1 8>&- 9>&- || fail "neo4j: the first password could not be set; see $home/log"
  fi
  launch neo4j "$java" -Xms512m -Xmx512m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError -Dfile.encoding=UTF-8 \
    --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
    --add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.util.concurrent=ALL-UNNAMED \
    org.neo4j.server.CommunityEntryPoint "--home-dir=$home" "--config-dir=$home/conf" --console-mode
}

# A login and a query over Bolt 4.4, by hand: no driver is at hand here, and a listening port proves nothing.
neo4j_answers() {
  local LC_ALL=C hello
  hello=$'\xb1\x01\xa4\x8auser_agent\x84kgnb\x86scheme\x85basic\x89principal\x85neo4j\x8bcredentials\xd0\x20'$PASSWORD
  port_busy "$PORT" || return 1
  {
    printf '\x60\x60\xb0\x17\0\0\x04\x04\0\0\0\0\0\0\0\0\0\0\0\0' >&3 # version 4.4 and no other
    [[ $(bolt_bytes 4) == 00000404 ]] || return 1
    printf "\\0\\x$(printf %02x ${#hello})%s\\0\\0" "$hello" >&3 # HELLO
    NEO4J_GREETING=$(bolt_message) # SUCCESS with the server's name and version
    [[ $NEO4J_GREETING == b170* ]] || return 1
    printf '\0\x0d\xb3\x10\x88RETURN 1\xa0\xa0\0\0\0\x06\xb1\x3f\xa1\x81n\xff\0\0' >&3 # RUN, PULL all
    [[ $(bolt_message) == b170* && $(bolt_message) == b1719101* ]]                     # SUCCESS, RECORD [1]
  } 3<>"/dev/tcp/127.0.0.1/$PORT"
}

bolt_bytes() { timeout 5 head -c "$1" <&3 | od -An -v -tx1 | tr -d ' \n'; }

# One message in hex: its length in two bytes, itself, two zero bytes.
bolt_message() {
  local length
  length=$(bolt_bytes 2)
  [[ -n $length ]] && bolt_bytes $((16#$length + 2))
}

# By the server's own word in its last greeting.
neo4j_version() {
  printf %b "$(fold -w 2 <<<"$NEO4J_GREETING" | sed 's/^/\\x/' | tr -d '\n')" | tr -d '\0' | grep -aoP 'Neo4j/\K[0-9.]+'
}

neo4j_env() {
  cat <<EOF
export NEO4J_URI=bolt://127.0.0.1:$PORT
export NEO4J_USER=neo4j
export NEO4J_PASSWORD=$PASSWORD
EOF
}

neo4j_test_env() { neo4j_env | sed 's/^export /&KGNB_TEST_/'; }
