# shellcheck shell=bash disable=SC2034,SC2154
# MariaDB, from Debian. Sourced by services.sh, which sets DIR, PORT and PASSWORD.

# The -core packages hold the programs alone: no system service that would start on the default port.
mariadb_missing() { has mariadbd mariadb-install-db mariadb || echo mariadb-server-core mariadb-client-core; }

mariadb_start() {
  local home=$DIR/mariadb socket=$DIR/mariadb/socket
  ((${#socket} < 100)) || socket=/tmp/kgnb-mariadb-$PORT.sock # the kernel allows 107 characters
  cat >"$home/my.cnf" <<EOF
[mariadbd]
datadir=$home/data
socket=$socket
bind-address=127.0.0.1
port=$PORT
user=$(id -un)
character-set-server=utf8mb4
collation-server=utf8mb4_general_ci
skip-name-resolve
performance-schema=OFF
innodb-buffer-pool-size=64M
innodb-log-file-size=48M
# a killed server loses nothing, only a power cut would
innodb-flush-log-at-trx-commit=2
key-buffer-size=4M
aria-pagecache-buffer-size=8M
max-allowed-packet=64M
EOF
  # Run at each start. Tests make databases of their own, kgnb_test_... for example.
  cat >"$home/init.sql" <<EOF
CREATE DATABASE IF NOT EXISTS kgnb CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS 'kgnb'@'%' IDENTIFIED BY '$PASSWORD';
GRANT ALL PRIVILEGES ON \`kgnb%\`.* TO 'kgnb'@'%';
EOF
  cat >"$home/client.cnf" <<EOF
[client]
protocol=tcp
host=127.0.0.1
port=$PORT
user=kgnb
password=$PASSWORD
database=kgnb
default-character-set=utf8mb4
EOF
  if [[ ! -e $home/created ]]; then
    rm -rf "$home/data" # what an interrupted first start left
    mariadb-install-db --defaults-file="$home/my.cnf" --datadir="$home/data" --skip-test-db >>"$home/log" 2>&1 8>&- 9>&- ||
      fail "mariadb: no data folder could be made; see $home/log"
    touch "$home/created"
  fi
  launch mariadb mariadbd --defaults-file="$home/my.cnf" --init-file="$home/init.sql"
}

mariadb_answers() { mariadb_query 'SELECT 1' >/dev/null; }
mariadb_query() { timeout 5 mariadb --defaults-file="$DIR/mariadb/client.cnf" -N -e "$1" 2>/dev/null; }
mariadb_version() { mariadb_query 'SELECT VERSION()'; }

mariadb_env() {
  cat <<EOF
export DB_TYPE=mysql
export DB_HOST=127.0.0.1
export DB_PORT=$PORT
export DB_USER=kgnb
export DB_PASSWORD=$PASSWORD
export DB_NAME=kgnb
EOF
}

mariadb_test_env() {
  echo "export KGNB_TEST_SQL_URL=mysql+pymysql://kgnb:$PASSWORD@127.0.0.1:$PORT/kgnb?charset=utf8mb4"
}
