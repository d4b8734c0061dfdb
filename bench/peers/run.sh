#!/bin/sh
# run.sh [PASSES]: measures every arm in PASSES passes (10), one after another,
# so that a busy moment of the machine falls on all of them, and prints medians.
set -eu
cd "$(dirname "$0")"
out=$(mktemp)
trap 'rm -f "$out" "$out.test"' EXIT
go test -c -o "$out.test" .
for _ in $(seq "${1:-10}"); do
	"$out.test" -test.run '^$' -test.bench . -test.benchtime 20ms -test.cpu 1,2 >>"$out"
done
go tool benchstat -col /by "$out"
