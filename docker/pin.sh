#!/bin/sh
# pin.sh DOCKERFILE: name the base image by the digest that its registry gives for its tag today (make pin). Needs Docker.
set -eu
file=$1
image=$(sed -n 's/^ARG BASE=\([^@]*\).*/\1/p' "$file")
digest=$(docker buildx imagetools inspect "$image" | sed -n 's/^Digest: *//p' | head -n 1)
expr "$digest" : 'sha256:[0-9a-f]\{64\}$' >/dev/null || { echo "The registry gives no digest for $image." >&2; exit 1; }
sed "s|^ARG BASE=.*|ARG BASE=$image@$digest|" "$file" >"$file.new"
mv "$file.new" "$file"
echo "$file: $image@$digest"
