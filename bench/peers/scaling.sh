#!/bin/sh
# scaling.sh [PASSES]: what a second core brings. In each of PASSES passes (11)
# each arm runs for 20 ms on one core and on two, so long that two goroutines do
# meet. Runs that waited for a core, as others had it, do not count. Medians
# are printed as a table: ns a call on one core and on two, and times how many
# calls go through on two. 2.0 would be a core for each goroutine; less than 1.0
# means that two get less done than one. ONLY names other benchmarks.
set -eu
cd "$(dirname "$0")"
out=$(mktemp)
trap 'rm -f "$out" "$out.test"' EXIT
go test -c -o "$out.test" .
only=${ONLY:-Breaker|Retry|Bulkhead|Adaptive|RateLimit|Keyed10k|Chain}
for _ in $(seq "${1:-11}"); do
	"$out.test" -test.run '^$' -test.bench "$only" -test.benchtime 20ms -test.cpu 1,2 -waited >>"$out"
done
awk '
	function median(key,   n, i, j, v, at) {
		n = runs[key]
		if (n == 0) return 0
		for (i = 1; i <= n; i++) v[i] = ns[key, i]
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j] < v[j - 1]; j--) { at = v[j]; v[j] = v[j - 1]; v[j - 1] = at }
		return v[int((n + 1) / 2)]
	}
	function figure(x) { return x == 0 ? "?" : sprintf(x < 99.95 ? "%.3g" : "%.0f", x) }
	function times(one, two) { return two == 0 ? "?" : sprintf("%.1fx", one / two) }
	!/ns\/op/ { next }
	{
		cores = sub(/-2$/, "", $1) ? 2 : 1
		split($1, part, "/by=")
		if (!(part[1] in seen)) { seen[part[1]]; what[++rows] = part[1] }
		if (!((part[1], part[2]) in arms)) { arms[part[1], part[2]]; by[part[1]] = by[part[1]] " " part[2] }
		for (i = 4; i < NF; i++) if ($(i + 1) == "waited") waited = $i
		total++
		if (waited > 0.3) { left_out++; next }
		ns[$1, cores, ++runs[$1, cores]] = $3
	}
	END {
		print "| | Afloat, 1 core / 2 cores | Brings | Others, 1 core / 2 cores, and what it brings |\n|---|---|---|---|"
		for (row = 1; row <= rows; row++) {
			name = what[row]; afloat = ""; others = ""
			count = split(by[name], list, " ")
			for (i = 1; i <= count; i++) {
				arm = name "/by=" list[i]
				one = median(arm SUBSEP 1); two = median(arm SUBSEP 2)
				if (list[i] == "afloat") afloat = figure(one) " / " figure(two) " | " times(one, two)
				else others = others (others == "" ? "" : "; ") list[i] " " figure(one) " / " figure(two) " (" times(one, two) ")"
			}
			if (afloat == "" || others == "") continue
			sub(/^Benchmark/, "", name); sub(/\//, ", ", name)
			print "| " name " | " afloat " | " others " |"
		}
		printf "\n%d of %d runs had to wait and are left out.\n", left_out, total
	}' "$out"
