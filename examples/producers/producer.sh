#!/bin/sh
# A complete producer: pushes one scene with redis-cli and waits for the result.
#
#   examples/producers/producer.sh SCENE.py [SCENE]
#
# Needs redis-cli and jq. REDIS_URL says where Redis is (default: this machine).
set -eu

file=${1:?usage: producer.sh SCENE.py [SCENE]}
scene=${2:-}
queue='manimd:{default}'
url=${REDIS_URL:-redis://127.0.0.1:6379/0}
id=$(cat /proc/sys/kernel/random/uuid)

# The id is ours, so that pushing again after a lost answer is harmless;
# "notify" asks for the result on the list wait:ID.
job=$(jq -cn --arg id "$id" --arg scene "$scene" --rawfile code "$file" \
    '{id: $id, code: $code, quality: "720p30", notify: true}
     + if $scene == "" then {} else {scene: $scene} end')

redis-cli -u "$url" LPUSH "$queue:in" "$job" >/dev/null
echo "pushed $id" >&2

# To stop it:  redis-cli SET "$queue:cancel:$id" 1 EX 86400
redis-cli -u "$url" BLPOP "$queue:wait:$id" 3600 | tail -n 1 | jq .
