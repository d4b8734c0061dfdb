# A step of all requests is judged by what the new version does alone: nothing is beside it.
release canary 2 step=50%,1s step=100%,5s keep=1s
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 2s
  1s: step 1 of 2, weight 50% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 50% | judged beside
  1s: step 1 of 2, weight 50% (holds until 2027-01-01T12:00:02Z) | old 2/2 | new 1/1 | to old, new 50% | judged beside
  2s: step 1 of 2, weight 50% (inconclusive: the judge has not seen enough) | old 2/2 | new 1/1 | to old, new 50% | judged beside
judge pass as good as the old one
  2s: step 2 of 2, weight 50% (1 of 2 replicas of the new version are available) | old 2/2 | new 1/2 | to old, new 50% | judged beside
pass 8s
  3s: step 2 of 2, weight 100% (2 of 2 replicas of the new version are available) | old 2/2 | new 2/2 | to old, new 100% | judged alone
  3s: step 2 of 2, weight 100% (holds until 2027-01-01T12:00:08Z) | old 2/2 | new 2/2 | to old, new 100% | judged alone
  8s: step 2 of 2, weight 100% (inconclusive: the judge has not seen enough) | old 2/2 | new 2/2 | to old, new 100% | judged alone
judge pass the objective is kept
  10s: keeping | old 2/2 | new 2/2 | to old, new 100% | judged alone
pass 5s
  11s: retiring | old 0/0 -2 | new 2/2 | to new
  12s: complete | new 2/2
