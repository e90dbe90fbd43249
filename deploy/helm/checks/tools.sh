# shellcheck shell=bash
# Sourced by check and api-server, from deploy/helm: builds tools and collects definitions, outside the checkout.
cache=${TAPELINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tapeline}
# One set of flags, so that helm, kubectl and the tests share what is compiled.
export GOFLAGS="-mod=readonly -trimpath"
# Programs of Kubernetes report their version, and do not start without one.
version=k8s.io/component-base/version
flags="-s -w -X $version.gitVersion=v1.37.2 -X $version.gitMajor=1 -X $version.gitMinor=37"

# tool NAME MODULE_FOLDER PACKAGE: the path of a program, built once for each state of its module.
tool() {
  local name=$1 folder=$2 package=$3 program
  command -v go >/dev/null || { echo "deploy/helm: needs Go 1.26 or newer" >&2; return 1; }
  program=$cache/$name-$(cat "$folder/go.mod" "$folder/go.sum" | sha256sum | cut -c1-12)
  if [[ ! -x $program ]]; then
    echo "building $package" >&2
    mkdir -p "$cache"
    (cd "$folder" && nice -n 10 go build -ldflags "$flags" -o "$program.part" "$package") >&2
    mv "$program.part" "$program"
  fi
  printf '%s' "$program"
}

# definitions: a folder with the files that checks/crds.txt names, each module verified by its checksum.
definitions() {
  local folder module version sum files found file
  folder=$cache/crds-$(sha256sum <checks/crds.txt | cut -c1-12)
  if [[ ! -d $folder ]]; then
    mkdir -p "$folder.part"
    while read -r module version sum files; do
      [[ $module != '#'* ]] || continue
      found=$(cd / && go mod download -json "$module@$version")
      grep -qF "\"Sum\": \"$sum\"" <<<"$found" || { echo "deploy/helm: $module $version does not match crds.txt" >&2; return 1; }
      for file in $files; do
        install -m 644 "$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$found")/$file" "$folder.part/"
      done
    done <checks/crds.txt
    mv "$folder.part" "$folder"
  fi
  printf '%s' "$folder"
}
