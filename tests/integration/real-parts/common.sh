# Sourced by the scripts beside it: where the parts live, and how they are found, started and stopped.
# shellcheck shell=bash

parts_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TAPELINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tapeline}

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The pinned version of a part.
version_of() {
  local version
  version=$(sed -n "s/^$1=//p" "$parts_dir/versions")
  [[ -n $version ]] || die "no version of $1 in $parts_dir/versions"
  printf '%s' "$version"
}

# The folder of a fetched part. Its name carries the version, so a new pin never meets old files.
part_path() { printf '%s/%s-%s' "$cache" "$1" "$(version_of "$1")"; }

need_part() {
  local path
  path=$(part_path "$1")
  [[ -d $path ]] || die "$path is missing: run $parts_dir/fetch first"
  printf '%s' "$path"
}

# A java of at least 17, from JAVA_HOME or PATH.
find_java() {
  local java version
  if [[ -n ${JAVA_HOME:-} ]]; then java=$JAVA_HOME/bin/java; else java=$(command -v java || true); fi
  [[ -n $java && -x $java ]] ||
    die "no java found by JAVA_HOME or PATH: install a runtime of at least 17 (Debian: default-jre-headless)"
  version=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
  [[ -n $version ]] || die "cannot read the version of $java"
  ((version >= 17)) || die "$java is version $version, at least 17 is needed"
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

# Is the process of NAME's pid file alive, and ours? A pid file may outlive a reboot.
runs() {
  local pid arguments
  pid=$(cat "$2/$1.pid" 2>/dev/null) || return 1
  arguments=$(ps -o args= -p "$pid") || return 1
  [[ $arguments == *"$(part_path "$1")"* || $arguments == *"$parts_dir/$1 run"* ]]
}

# start_in_background NAME DATA SECONDS PROBE...: runs "$0 run ..." for `start`, waits for the probe,
# and leaves DATA/NAME.pid and DATA/NAME.log behind. The arguments of `run` are in the array run_args.
start_in_background() {
  local name=$1 data=$2 seconds=$3 began pid
  shift 3
  mkdir -p "$data"
  ! runs "$name" "$data" || die "already running with pid $(<"$data/$name.pid") on $data"
  began=$(date +%s%N)
  # run_args is filled by the sourcing script
  # shellcheck disable=SC2154
  setsid "$parts_dir/$name" run "${run_args[@]}" >"$data/$name.log" 2>&1 </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$data/$name.pid"
  if ! wait_until "$seconds" "$pid" "$@"; then
    tail -n 30 "$data/$name.log" >&2
    kill -0 "$pid" 2>/dev/null || die "$name ended before it was ready, its log is $data/$name.log"
    stop_by_pid_file "$name" "$data"
    die "$name was not ready within $seconds s, its log is $data/$name.log"
  fi
  say "ready after $((($(date +%s%N) - began) / 1000000)) ms, pid $pid, log $data/$name.log"
}

# Asks the process of the pid file to end, waits 20 s, then kills it.
stop_by_pid_file() {
  local name=$1 data=$2 pid deadline=$((SECONDS + 20))
  if ! runs "$name" "$data"; then
    say "not running on $data"
    rm -f "$data/$name.pid"
    return 0
  fi
  pid=$(<"$data/$name.pid")
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      kill -KILL "$pid" 2>/dev/null || true
      say "killed $pid, which ignored SIGTERM for 20 s"
      break
    fi
    sleep 0.1
  done
  rm -f "$data/$name.pid"
  say "stopped $pid"
}
