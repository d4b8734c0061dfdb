# The judge finds against it: all requests go back at once, and then its processes end.
release canary 3 step=5%,1m
  0s: starting | old 3/3 | new 0/1 | to old, new 0%
pass 3s
  1s: step 1 of 1, weight 5% (1 of 1 replicas of the new version are available) | old 3/3 | new 1/1 | to old, new 5% | judged beside
  1s: step 1 of 1, weight 5% (holds until 2027-01-01T12:01:01Z) | old 3/3 | new 1/1 | to old, new 5% | judged beside
judge fail errors: 6 of 20 at the canary, 0 of 400 beside it
  3s: aborting (the judge: errors: 6 of 20 at the canary, 0 of 400 beside it) | old 3/3 | new 0/0 -1 | to old
pass 5s
  4s: aborted (the judge: errors: 6 of 20 at the canary, 0 of 400 beside it) | old 3/3
