# The loop is killed, and the processes with it: both versions start again, and the step is seen anew.
release canary 2 step=50%,10s keep=1s
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 8s
  1s: step 1 of 1, weight 50% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 50% | judged beside
  1s: step 1 of 1, weight 50% (holds until 2027-01-01T12:00:11Z) | old 2/2 | new 1/1 | to old, new 50% | judged beside
judge pass as good as the old one
restart killed
  8s: step 1 of 1, weight 50% (0 of 1 replicas of the new version are available) | old 0/2 | new 0/1 | to old, new 50% | judged beside
  8s: step 1 of 1, weight 50% (holds until 2027-01-01T12:00:18Z) | old 0/2 | new 0/1 | to old, new 50% | judged beside
pass 8s
  9s: step 1 of 1, weight 50% (holds until 2027-01-01T12:00:18Z) | old 2/2 | new 1/1 | to old, new 50% | judged beside
judge pass as good as the old one
pass 10s
  18s: promoting | old 2/2 | new 1/2 | to old, new 50% | judged beside
  19s: promoting | old 2/2 | new 2/2 | to old, new 100% | judged alone
  19s: keeping | old 2/2 | new 2/2 | to old, new 100% | judged alone
  20s: retiring | old 0/0 -2 | new 2/2 | to new
  21s: complete | new 2/2
# So it is where only the loop was killed, in the middle of an abort.
release canary 2 step=50%,10s unjudged
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 8s
  1s: step 1 of 1, weight 50% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 50%
  1s: step 1 of 1, weight 50% (holds until 2027-01-01T12:00:11Z) | old 2/2 | new 1/1 | to old, new 50%
abort
  8s: aborting (aborted by bob) | old 2/2 | new 0/0 -1 | to old
restart
pass 3s
  9s: aborted (aborted by bob) | old 2/2
