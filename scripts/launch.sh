# shellcheck shell=sh disable=SC2154
# Read by the launchers in bin/, which set `self` (their own file, links followed), `entry` (a file of this checkout)
# and `node_options`: runs the entry with the project's own Node.
# Exits with 78 (EX_CONFIG of sysexits.h) where the checkout was not set up.

root=$(CDPATH='' cd -- "${self%/*}/.." && pwd -P)

# runc, nft and ip are in the sbin folders, which Debian leaves out of an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin
export PATH

if [ ! -x "$root/.node/bin/node" ] || [ ! -e "$root/node_modules/.package-lock.json" ]; then
  echo "${0##*/}: $root is not set up yet; type: npm --prefix $root run setup" >&2
  exit 78
fi

# Node keeps what it made of our TypeScript: `canfar version` takes 60 ms in place of 130, and a server holds 20 MB less,
# for the TypeScript compiler is never loaded.
if [ -w "$root/.node" ]; then
  NODE_COMPILE_CACHE=$root/.node/compile-cache
else
  NODE_COMPILE_CACHE=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/science-platform/compile-cache
fi
export NODE_COMPILE_CACHE

# shellcheck disable=SC2086 # several options, in one word each
exec "$root/.node/bin/node" $node_options "$root/$entry" "$@"
