#!/usr/bin/env bash
# Builds an image of grokrun from this tree: `packaging/image.sh oci [TAG]` with podman or docker,
# `packaging/image.sh apptainer [FILE.sif]` with apptainer or singularity. With --dry-run in front
# it prints what it would run, and makes nothing.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}
usage='expected packaging/image.sh [--dry-run] oci [TAG] | apptainer [FILE.sif]'

dry=
if [ "${1:-}" = --dry-run ]; then
    dry=1
    shift
fi
[ $# -ge 1 ] && [ $# -le 2 ] || fail "$usage"

# The first of some programs that is installed; with --dry-run the first of all.
program() {
    local name
    for name in "$@"; do
        if [ -n "$dry" ] || command -v "$name" >/dev/null; then
            printf '%s\n' "$name"
            return
        fi
    done
    fail "none of $* is installed; an image needs one of them"
}

case $1 in
oci)
    builder=$(program podman docker)
    made=${2:-grokrun:latest}
    command=("$builder" build --file packaging/Containerfile --tag "$made" .)
    ;;
apptainer)
    builder=$(program apptainer singularity)
    made=${2:-grokrun.sif}
    case $made in /*) ;; *) made=$PWD/$made ;; esac
    command=("$builder" build "$made" packaging/grokrun.def)
    ;;
*) fail "$usage" ;;
esac

if [ -n "$dry" ]; then
    printf 'in a copy of the tree, as src/ beside packaging/:\n%s\n' "${command[*]}"
    exit
fi

# What is built is a copy of the tree, without what git ignores and without git's own files.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/src"
tar --directory "$root" --exclude=./target --exclude=./runs --exclude=./.git --create . |
    tar --directory "$context/src" --extract
cp -R "$root/packaging" "$context/packaging"
(cd "$context" && "${command[@]}")
printf '%s\n' "$made"
