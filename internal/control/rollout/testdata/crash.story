# One crash is borne, the second is not.
release canary 2 step=10%,1m unjudged
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 3s
  1s: step 1 of 1, weight 10% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 10%
  1s: step 1 of 1, weight 10% (holds until 2027-01-01T12:01:01Z) | old 2/2 | new 1/1 | to old, new 10%
crash
pass 1s
crash
  4s: aborting (the new version ended by itself 2 times: ) | old 2/2 | new 0/0 -1 | to old
pass 3s
  5s: aborted (the new version ended by itself 2 times: ) | old 2/2
