# Databases for the store's tests, to be sourced: each function starts one in a folder of its own on a port of its own,
# sets its variables, and ends with the script that sourced this, by `stop_databases`.

# Commands that end what was started, the last one first.
database_stops=()

stop_databases() {
  local n
  for ((n = ${#database_stops[@]} - 1; n >= 0; n--)); do
    eval "${database_stops[n]}" >/dev/null 2>&1 || true
  done
  database_stops=()
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# How this user runs a server, which refuses to be root's.
as_postgres() {
  if (($(id -u) == 0)); then runuser -u postgres -- "$@"; else "$@"; fi
}

# Debian's own PostgreSQL, without the extension: HEADROOM_TEST_POSTGRES_URL.
start_postgres() {
  local folder=$1 port bin
  bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -n 1)
  mkdir -p "$folder"
  echo headroom >"$folder/password"
  if (($(id -u) == 0)); then chown -R postgres "$folder"; fi
  as_postgres "$bin/initdb" -D "$folder/data" -U headroom -A scram-sha-256 --pwfile="$folder/password" -E UTF8 \
    --locale=C --no-sync >"$folder/initdb.log"
  port=$(free_port)
  # A test that kills it starts it again by this.
  cat >"$folder/start" <<END
#!/usr/bin/env bash
source "$PWD/tests/peers/databases.sh"
as_postgres "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w \\
  -o "-p $port -k '$folder' -c listen_addresses=127.0.0.1" start >/dev/null 2>&1
END
  chmod +x "$folder/start"
  database_stops+=("as_postgres '$bin/pg_ctl' -D '$folder/data' -m immediate -w stop")
  "$folder/start"
  as_postgres env PGPASSWORD=headroom "$bin/createdb" -h 127.0.0.1 -p "$port" -U headroom headroom_test
  export HEADROOM_TEST_POSTGRES_FOLDER=$folder
  export HEADROOM_TEST_POSTGRES_URL="postgres://headroom:headroom@127.0.0.1:$port/headroom_test"
}

# TimescaleDB's Apache edition, which only a later Debian has: in a root folder of that one.
# HEADROOM_TEST_TIMESCALE_APACHE_URL.
start_timescale_apache() {
  local folder=$1 port site
  site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sort -u | head -n 1)
  debootstrap --variant=minbase --include=postgresql-17-timescaledb trixie "$folder" "$site" >"$folder.log" 2>&1 \
    || { tail -n 20 "$folder.log" >&2; return 1; }
  in_trixie() { chroot "$folder" su postgres -c "$1"; }
  mkdir "$folder/pg"
  chroot "$folder" chown postgres /pg
  in_trixie 'echo headroom >/pg/password; /usr/lib/postgresql/17/bin/initdb -D /pg/data -U headroom -A scram-sha-256 \
    --pwfile=/pg/password -E UTF8 --locale=C --no-sync >/pg/initdb.log'
  port=$(free_port)
  database_stops+=("chroot '$folder' su postgres -c '/usr/lib/postgresql/17/bin/pg_ctl -D /pg/data -m immediate -w stop'")
  # A root folder like this has no /dev/shm of its own.
  in_trixie "/usr/lib/postgresql/17/bin/pg_ctl -D /pg/data -l /pg/log -w -o '-p $port -k /pg -c listen_addresses=127.0.0.1 \
    -c shared_preload_libraries=timescaledb -c timescaledb.telemetry_level=off -c dynamic_shared_memory_type=mmap' start" \
    >/dev/null
  in_trixie "PGPASSWORD=headroom createdb -h 127.0.0.1 -p $port -U headroom headroom_test"
  export HEADROOM_TEST_TIMESCALE_APACHE_URL="postgres://headroom:headroom@127.0.0.1:$port/headroom_test"
}

# TimescaleDB's community edition, built to WebAssembly. HEADROOM_TEST_TIMESCALE_WASM_URL.
start_timescale_wasm() {
  local folder=$1 port process waited
  mkdir -p "$folder"
  cp tests/peers/timescale/* "$folder"
  (cd "$folder" && npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --silent)
  port=$(free_port)
  node "$folder/server.mjs" "$port" >"$folder/log" 2>&1 &
  process=$!
  database_stops+=("kill $process; wait $process")
  for ((waited = 0; waited < 300; waited++)); do
    if grep -q listening "$folder/log"; then break; fi
    kill -0 "$process" 2>/dev/null || { cat "$folder/log" >&2; return 1; }
    sleep 0.2
  done
  export HEADROOM_TEST_TIMESCALE_WASM_URL="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
}
