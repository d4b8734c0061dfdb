# A gate at which nobody comes holds up neither the judge's no, nor a hook's, nor a crash.
release canary 2 step=20%,1s,gate
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 2s
  1s: step 1 of 1, weight 20% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 20% | judged beside
  1s: step 1 of 1, weight 20% (holds until 2027-01-01T12:00:02Z) | old 2/2 | new 1/1 | to old, new 20% | judged beside
  2s: step 1 of 1, weight 20% (inconclusive: the judge has not seen enough) | old 2/2 | new 1/1 | to old, new 20% | judged beside
judge pass as good as the old one
  2s: step 1 of 1, weight 20% (waits at a gate for afloat rollout promote web) | old 2/2 | new 1/1 | to old, new 20% | judged beside
pass 1h
judge fail errors: 6 of 20 at the canary, 0 of 400 beside it
  1h0m2s: aborting (the judge: errors: 6 of 20 at the canary, 0 of 400 beside it) | old 2/2 | new 0/0 -1 | to old
pass 5s
  1h0m3s: aborted (the judge: errors: 6 of 20 at the canary, 0 of 400 beside it) | old 2/2
release canary 2 step=20%,1s,gate hook=during
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 2s
  1s: step 1 of 1, weight 20% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 20% | judged beside
  1s: step 1 of 1, weight 20% (holds until 2027-01-01T12:00:02Z) | old 2/2 | new 1/1 | to old, new 20% | judged beside
  2s: step 1 of 1, weight 20% (inconclusive: the judge has not seen enough) | old 2/2 | new 1/1 | to old, new 20% | judged beside
judge pass as good as the old one
  2s: step 1 of 1, weight 20% (waits at a gate for afloat rollout promote web) | old 2/2 | new 1/1 | to old, new 20% | judged beside
pass 5s
hook 0 no
pass 20s
  11s: aborting (the hook http://hook/during says no: status 500) | old 2/2 | new 0/0 -1 | to old
  12s: aborted (the hook http://hook/during says no: status 500) | old 2/2
release blueGreen 2 step=gate
  0s: starting | old 2/2 | new 0/2 | to old, new 0%
pass 2s
  1s: step 1 of 1 (waits at a gate for afloat rollout promote web) | old 2/2 | new 2/2 | to old, new 0%
crash
crash
  2s: aborting (the new version ended by itself 2 times: ) | old 2/2 | new 0/0 -2 | to old
pass 5s
  3s: aborted (the new version ended by itself 2 times: ) | old 2/2
# Nor does a pause.
release canary 2 step=20%,1s,gate
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 2s
  1s: step 1 of 1, weight 20% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 20% | judged beside
  1s: step 1 of 1, weight 20% (holds until 2027-01-01T12:00:02Z) | old 2/2 | new 1/1 | to old, new 20% | judged beside
  2s: step 1 of 1, weight 20% (inconclusive: the judge has not seen enough) | old 2/2 | new 1/1 | to old, new 20% | judged beside
pause
  2s: step 1 of 1, weight 20%, paused (paused by bob) | old 2/2 | new 1/1 | to old, new 20% | judged beside
judge fail errors: 6 of 20 at the canary, 0 of 400 beside it
  2s: aborting (the judge: errors: 6 of 20 at the canary, 0 of 400 beside it) | old 2/2 | new 0/0 -1 | to old
pass 5s
  3s: aborted (the judge: errors: 6 of 20 at the canary, 0 of 400 beside it) | old 2/2
