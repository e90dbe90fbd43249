# Sourced by the scripts beside it: where the parts live, and how they are found, started and stopped.
# shellcheck shell=bash

parts_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TAPELINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tapeline}

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# The pinned version of a part: the one property <NAME.version> of its pom.
version_of() {
  local version
  version=$(sed -n "s:.*<$1\.version>\(.*\)</$1\.version>.*:\1:p" "$parts_dir/$1.pom.xml")
  [[ -n $version ]] || die "no <$1.version> in $parts_dir/$1.pom.xml"
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

# start_in_background NAME DATA SECONDS PROBE...: runs "$0 run ..." for `start`, waits for the probe,
# and leaves DATA/NAME.pid and DATA/NAME.log behind. The arguments of `run` are in the array run_args.
start_in_background() {
  local name=$1 data=$2 seconds=$3 began pid
  shift 3
  mkdir -p "$data"
  if [[ -f $data/$name.pid ]] && kill -0 "$(<"$data/$name.pid")" 2>/dev/null; then
    die "already running with pid $(<"$data/$name.pid") on $data"
  fi
  began=$(date +%s%N)
  # run_args is filled by the sourcing script
  # shellcheck disable=SC2154
  setsid "$parts_dir/$name" run "${run_args[@]}" >"$data/$name.log" 2>&1 </dev/null &
  pid=$!
  printf '%s\n' "$pid" >"$data/$name.pid"
  if ! wait_until "$seconds" "$pid" "$@"; then
    tail -n 30 "$data/$name.log" >&2
    stop_by_pid_file "$name" "$data"
    die "$name did not become ready within $seconds s, its log is $data/$name.log"
  fi
  say "ready after $((($(date +%s%N) - began) / 1000000)) ms, pid $pid, log $data/$name.log"
}

# Asks the process of the pid file to end, waits 20 s, then kills it.
stop_by_pid_file() {
  local file=$2/$1.pid pid deadline=$((SECONDS + 20))
  [[ -f $file ]] || { say "not running on $2"; return 0; }
  pid=$(<"$file")
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS >= deadline)); then
      kill -KILL "$pid" 2>/dev/null || true
      say "killed $pid, which ignored SIGTERM for 20 s"
      break
    fi
    sleep 0.1
  done
  rm -f "$file"
}
