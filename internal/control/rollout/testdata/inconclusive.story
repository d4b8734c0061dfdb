# Without requests nobody knows anything. It waits, and a person may decide.
release canary 2 step=10%,5s step=50%,5s
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 1h
  1s: step 1 of 2, weight 10% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 10% | judged beside
  1s: step 1 of 2, weight 10% (holds until 2027-01-01T12:00:06Z) | old 2/2 | new 1/1 | to old, new 10% | judged beside
  6s: step 1 of 2, weight 10% (inconclusive: the judge has not seen enough) | old 2/2 | new 1/1 | to old, new 10% | judged beside
promote
  1h0m0s: step 2 of 2, weight 50% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 50% | judged beside
  1h0m0s: step 2 of 2, weight 50% (holds until 2027-01-01T13:00:05Z) | old 2/2 | new 1/1 | to old, new 50% | judged beside
pass 10s
  1h0m5s: step 2 of 2, weight 50% (inconclusive: the judge has not seen enough) | old 2/2 | new 1/1 | to old, new 50% | judged beside
judge pass as good as the old one
  1h0m10s: promoting | old 2/2 | new 1/2 | to old, new 50% | judged beside
pass 70s
  1h0m11s: promoting | old 2/2 | new 2/2 | to old, new 100% | judged alone
  1h0m11s: keeping | old 2/2 | new 2/2 | to old, new 100% | judged alone
  1h1m11s: retiring | old 0/0 -2 | new 2/2 | to new
  1h1m12s: complete | new 2/2
