# A canary goes from step to step while the judge is content, and the old version is kept for a while.
release canary 4 step=5%,10s step=50%,10s keep=5s
  0s: starting | old 4/4 | new 0/1 | to old, new 0%
pass 5s
  1s: step 1 of 2, weight 5% (1 of 1 replicas of the new version are available) | old 4/4 | new 1/1 | to old, new 5% | judged beside
  1s: step 1 of 2, weight 5% (holds until 2027-01-01T12:00:11Z) | old 4/4 | new 1/1 | to old, new 5% | judged beside
judge pass as good as the old one
pass 10s
  11s: step 2 of 2, weight 5% (1 of 2 replicas of the new version are available) | old 4/4 | new 1/2 | to old, new 5% | judged beside
  12s: step 2 of 2, weight 50% (2 of 2 replicas of the new version are available) | old 4/4 | new 2/2 | to old, new 50% | judged beside
  12s: step 2 of 2, weight 50% (holds until 2027-01-01T12:00:22Z) | old 4/4 | new 2/2 | to old, new 50% | judged beside
pass 20s
  22s: step 2 of 2, weight 50% (inconclusive: the judge has not seen enough) | old 4/4 | new 2/2 | to old, new 50% | judged beside
judge pass as good as the old one
  35s: promoting | old 4/4 | new 2/4 | to old, new 50% | judged beside
pass 1s
  36s: promoting | old 4/4 | new 4/4 | to old, new 100% | judged alone
  36s: keeping | old 4/4 | new 4/4 | to old, new 100% | judged alone
pass 10s
  41s: retiring | old 0/0 -4 | new 4/4 | to new
  42s: complete | new 4/4
