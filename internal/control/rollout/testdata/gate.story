# A gate waits for a person, but not the judge's no.
release canary 2 step=copies:100%,2s step=match,2s,gate step=20%,2s
  0s: starting | old 2/2 | new 0/2 | to old, new 0%
pass 4s
  1s: step 1 of 3 (2 of 2 replicas of the new version are available) | old 2/2 | new 2/2 | to old, new 0% copies 100% | judged beside
  1s: step 1 of 3 (holds until 2027-01-01T12:00:03Z) | old 2/2 | new 2/2 | to old, new 0% copies 100% | judged beside
  3s: step 1 of 3 (inconclusive: the judge has not seen enough) | old 2/2 | new 2/2 | to old, new 0% copies 100% | judged beside
judge pass 200 copies
  4s: step 2 of 3 (2 of 2 replicas of the new version are available) | old 2/2 | new 2/2 | to old, new 0% copies 100% matches | judged beside
  4s: step 2 of 3 (holds until 2027-01-01T12:00:06Z) | old 2/2 | new 2/2 | to old, new 0% copies 100% matches | judged beside
pass 2s
  6s: step 2 of 3 (inconclusive: the judge has not seen enough) | old 2/2 | new 2/2 | to old, new 0% copies 100% matches | judged beside
judge pass 100 testers
  6s: step 2 of 3 (waits at a gate for afloat rollout promote web) | old 2/2 | new 2/2 | to old, new 0% copies 100% matches | judged beside
pass 10s
pause
  16s: step 2 of 3, paused (paused by bob) | old 2/2 | new 2/2 | to old, new 0% copies 100% matches | judged beside
promote
  16s: step 3 of 3, weight 20% (2 of 1 replicas of the new version are available) | old 2/2 | new 2/2 | to old, new 20% matches | judged beside
  16s: step 3 of 3, weight 20% (holds until 2027-01-01T12:00:18Z) | old 2/2 | new 2/2 | to old, new 20% matches | judged beside
pass 1s
judge fail latency p95: 80ms against 20ms
  17s: aborting (the judge: latency p95: 80ms against 20ms) | old 2/2 | new 0/0 -2 | to old
pass 3s
  18s: aborted (the judge: latency p95: 80ms against 20ms) | old 2/2
promote
  not now: the release of web is aborted
abort
  not now: the release of web is aborted
