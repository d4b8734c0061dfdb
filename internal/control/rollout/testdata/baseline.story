# Fresh replicas of the old version, as many as of the new one and with the same share, are what it is compared with.
release canary 4 baseline step=5%,5s step=50%,5s step=80%,5s keep=-1s
  0s: starting | old 4/4 | new 0/1 | baseline 0/1 | to old, new 0%
pass 7s
  1s: step 1 of 3, weight 5% (1 of 1 replicas of the new version are available) | old 4/4 | new 1/1 | baseline 1/1 | to old, new 5%, old-baseline 5% | judged beside
  1s: step 1 of 3, weight 5% (holds until 2027-01-01T12:00:06Z) | old 4/4 | new 1/1 | baseline 1/1 | to old, new 5%, old-baseline 5% | judged beside
  6s: step 1 of 3, weight 5% (inconclusive: the judge has not seen enough) | old 4/4 | new 1/1 | baseline 1/1 | to old, new 5%, old-baseline 5% | judged beside
judge pass as good as the baseline
  7s: step 2 of 3, weight 5% (1 of 2 replicas of the new version are available) | old 4/4 | new 1/2 | baseline 1/2 | to old, new 5%, old-baseline 5% | judged beside
pass 1s
  8s: step 2 of 3, weight 50% (2 of 2 replicas of the new version are available) | old 4/4 | new 2/2 | baseline 2/2 | to old, new 50%, old-baseline 50% | judged beside
  8s: step 2 of 3, weight 50% (holds until 2027-01-01T12:00:13Z) | old 4/4 | new 2/2 | baseline 2/2 | to old, new 50%, old-baseline 50% | judged beside
pass 7s
  13s: step 2 of 3, weight 50% (inconclusive: the judge has not seen enough) | old 4/4 | new 2/2 | baseline 2/2 | to old, new 50%, old-baseline 50% | judged beside
judge pass as good as the baseline
  15s: step 3 of 3, weight 50% (2 of 4 replicas of the new version are available) | old 4/4 | new 2/4 | baseline 2/4 | to old, new 50%, old-baseline 50% | judged beside
pass 1s
  16s: step 3 of 3, weight 80% (4 of 4 replicas of the new version are available) | old 4/4 | new 4/4 | baseline 4/4 | to old, new 80%, old-baseline 20% | judged beside
  16s: step 3 of 3, weight 80% (holds until 2027-01-01T12:00:21Z) | old 4/4 | new 4/4 | baseline 4/4 | to old, new 80%, old-baseline 20% | judged beside
pass 7s
  21s: step 3 of 3, weight 80% (inconclusive: the judge has not seen enough) | old 4/4 | new 4/4 | baseline 4/4 | to old, new 80%, old-baseline 20% | judged beside
judge pass as good as the baseline
  23s: promoting | old 4/4 | new 4/4 | baseline 0/0 -4 | to old, new 100% | judged alone
  23s: retiring | old 0/0 -4 | new 4/4 | baseline 0/0 -4 | to new
pass 10s
  24s: complete | new 4/4
