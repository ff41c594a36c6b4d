#!/bin/sh
# Checks the types of the pages' plain JavaScript (JSDoc) with TypeScript, where the npm peers hold one.
set -eu

cd "$(dirname "$0")/.."
tsc=tests/peers/node_modules/typescript/bin/tsc

if [ ! -f "$tsc" ]; then
    echo "The pages' JavaScript is not type-checked: TypeScript is missing (\`.venv/bin/python -m tests.npm_peers\`)."
    # In CI it is installed beforehand, so its absence is a failure there.
    [ -z "${CI:-}" ]
    exit
fi

for config in simulator/page/tsconfig.json; do
    [ -f "$config" ] || continue
    node "$tsc" --noEmit --project "$config"
    echo "Types hold: $config"
done
