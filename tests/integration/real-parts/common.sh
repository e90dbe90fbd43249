# Sourced by the scripts in this folder: finds, starts and stops the parts.
# shellcheck shell=bash

parts_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TAPELINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tapeline}

info() { printf '%s: %s\n' "${0##*/}" "$*"; }
fail() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The pinned version of a part.
version_of() {
  local version
  version=$(sed -n "s/^$1=//p" "$parts_dir/versions")
  [[ -n $version ]] || fail "no version of $1 in $parts_dir/versions"
  printf '%s' "$version"
}

# The folder of a fetched part. Its name carries the version, so a new pin never uses old files.
part_path() { printf '%s/%s-%s' "$cache" "$1" "$(version_of "$1")"; }

need_part() {
  local path
  path=$(part_path "$1")
  [[ -d $path ]] || fail "$path is missing: run $parts_dir/fetch first"
  printf '%s' "$path"
}

# run_maven ARGS...: quiet unless it fails; three attempts, since downloads sometimes fail. The sourcing script creates and removes the
# folder $work.
run_maven() {
  # shellcheck disable=SC2154
  local log=$work/maven.log try
  for try in 1 2 3; do
    if timeout 900 mvn -B -ntp -q "-Dmaven.repo.local=$work/repository" "$@" >"$log" 2>&1 </dev/null; then
      return 0
    fi
    info "maven failed (try $try of 3)"
    # a failed look-up is cached in the local repository
    find "$work" -name '*.lastUpdated' -delete
    sleep $((try * 5))
  done
  tail -n 15 "$log" >&2
  return 1
}

# Java 17 or newer, from JAVA_HOME or PATH.
find_java() {
  local java version
  if [[ -n ${JAVA_HOME:-} ]]; then java=$JAVA_HOME/bin/java; else java=$(command -v java || true); fi
  [[ -n $java && -x $java ]] ||
    fail "no java found by JAVA_HOME or PATH: install a runtime of at least 17 (Debian: default-jre-headless)"
  version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | sed -n 1p)
  [[ -n $version ]] || fail "cannot read the version of $java"
  ((version >= 17)) || fail "$java is version $version, at least 17 is needed"
  printf '%s' "$java"
}

# wait_until SECONDS PID COMMAND...: runs the command every 100 ms until it succeeds.
# Fails when the time is over, or as soon as process PID is gone.
wait_until() {
  local deadline=$((SECONDS + $1)) pid=$2
  shift 2
  until "$@"; do
    kill -0 "$pid" 2>/dev/null || return 2
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# Succeeds if the process of NAME's pid file runs and is the expected one. A pid file may outlive a reboot.
runs() {
  local pid arguments
  pid=$(cat "$2/$1.pid" 2>/dev/null) || return 1
  arguments=$(ps -o args= -p "$pid") || return 1
  [[ $arguments == *"$(part_path "$1")"* || $arguments == *"$parts_dir/$1 run"* ]]
}

# start_in_background NAME DATA SECONDS PROBE...: runs "$0 run ..." for `start`, waits for the probe,
# and leaves DATA/NAME.pid and DATA/NAME.log. The arguments of `run` are in the array run_args.
start_in_background() {
  local name=$1 data=$2 seconds=$3 began pid
  shift 3
  mkdir -p "$data"
  ! runs "$name" "$data" || fail "already running with pid $(<"$data/$name.pid") on $data"
  began=$(date +%s%N)
  # run_args is filled by the sourcing script
  # shellcheck disable=SC2154
  setsid "$parts_dir/$name" run "${run_args[@]}" >"$data/$name.log" 2>&1 </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$data/$name.pid"
  if ! wait_until "$seconds" "$pid" "$@"; then
    tail -n 30 "$data/$name.log" >&2
    kill -0 "$pid" 2>/dev/null || fail "$name ended before it was ready, its log is $data/$name.log"
    stop_by_pid_file "$name" "$data"
    fail "$name was not ready within $seconds s, its log is $data/$name.log"
  fi
  info "ready after $((($(date +%s%N) - began) / 1000000)) ms, pid $pid, log $data/$name.log"
}

# Sends SIGTERM to the process of the pid file, waits 20 s, then kills it.
stop_by_pid_file() {
  local name=$1 data=$2 pid deadline=$((SECONDS + 20))
  if ! runs "$name" "$data"; then
    info "not running on $data"
    rm -f "$data/$name.pid"
    return 0
  fi
  pid=$(<"$data/$name.pid")
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      kill -KILL "$pid" 2>/dev/null || true
      info "killed $pid, which ignored SIGTERM for 20 s"
      break
    fi
    sleep 0.1
  done
  rm -f "$data/$name.pid"
  info "stopped $pid"
}
