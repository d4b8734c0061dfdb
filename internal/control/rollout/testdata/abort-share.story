# One old replica is left beside nine healthy ones: it does not get the requests of all before there are enough of it.
release rolling 10 surge=1 unavailable=2
  0s: rolling: 0 of 10 replicas are new | old 8/8 -2 | new 0/1 | to old
pass 5s
  1s: rolling: 1 of 10 replicas are new | old 7/7 -1 | new 1/3
  2s: rolling: 3 of 10 replicas are new | old 5/5 -2 | new 3/4
  3s: rolling: 4 of 10 replicas are new | old 4/4 -1 | new 4/6
  4s: rolling: 6 of 10 replicas are new | old 2/2 -2 | new 6/7
  5s: rolling: 7 of 10 replicas are new | old 1/1 -1 | new 7/9
abort
  5s: aborting (aborted by bob) | old 1/1 -1 | new 7/7 -2
pass 20s
  6s: aborting (aborted by bob) | old 1/4 | new 7/7
  7s: aborting (aborted by bob) | old 4/4 | new 4/4 -3
  8s: aborting (aborted by bob) | old 4/7 | new 4/4
  9s: aborting (aborted by bob) | old 7/7 | new 1/1 -3
  10s: aborting (aborted by bob) | old 7/10 | new 1/1
  11s: aborting (aborted by bob) | old 10/10 | new 0/0 -1 | to old
  12s: aborted (aborted by bob) | old 10/10
# After its promotion the new version serves until the old one is back.
release canary 4 step=50%,1s unjudged keep=1s
  0s: starting | old 4/4 | new 0/2 | to old, new 0%
pass 4s
  1s: step 1 of 1, weight 50% (2 of 2 replicas of the new version are available) | old 4/4 | new 2/2 | to old, new 50%
  1s: step 1 of 1, weight 50% (holds until 2027-01-01T12:00:02Z) | old 4/4 | new 2/2 | to old, new 50%
  2s: promoting | old 4/4 | new 2/4 | to old, new 50%
  3s: promoting | old 4/4 | new 4/4 | to old, new 100%
  3s: keeping | old 4/4 | new 4/4 | to old, new 100%
  4s: retiring | old 0/0 -4 | new 4/4 | to new
abort
  4s: aborting (aborted by bob) | old 0/4 -4 | new 4/4 | to old, new 100%
pass 5s
  5s: aborting (aborted by bob) | old 4/4 | new 0/0 -4 | to old
  6s: aborted (aborted by bob) | old 4/4
# What crashes then does not go back by itself.
release canary 4 step=50%,1s unjudged keep=1s
  0s: starting | old 4/4 | new 0/2 | to old, new 0%
pass 4s
  1s: step 1 of 1, weight 50% (2 of 2 replicas of the new version are available) | old 4/4 | new 2/2 | to old, new 50%
  1s: step 1 of 1, weight 50% (holds until 2027-01-01T12:00:02Z) | old 4/4 | new 2/2 | to old, new 50%
  2s: promoting | old 4/4 | new 2/4 | to old, new 50%
  3s: promoting | old 4/4 | new 4/4 | to old, new 100%
  3s: keeping | old 4/4 | new 4/4 | to old, new 100%
  4s: retiring | old 0/0 -4 | new 4/4 | to new
crash
crash
pass 5s
  5s: complete | new 4/4
# Killed on its way back, with the processes.
release rolling 10 surge=1 unavailable=2
  0s: rolling: 0 of 10 replicas are new | old 8/8 -2 | new 0/1 | to old
pass 5s
  1s: rolling: 1 of 10 replicas are new | old 7/7 -1 | new 1/3
  2s: rolling: 3 of 10 replicas are new | old 5/5 -2 | new 3/4
  3s: rolling: 4 of 10 replicas are new | old 4/4 -1 | new 4/6
  4s: rolling: 6 of 10 replicas are new | old 2/2 -2 | new 6/7
  5s: rolling: 7 of 10 replicas are new | old 1/1 -1 | new 7/9
abort
  5s: aborting (aborted by bob) | old 1/1 -1 | new 7/7 -2
pass 1s
  6s: aborting (aborted by bob) | old 1/4 | new 7/7
restart killed
  6s: aborting (aborted by bob) | old 0/4 | new 0/7
pass 20s
  7s: aborting (aborted by bob) | old 4/4 | new 4/4 -3
  8s: aborting (aborted by bob) | old 4/7 | new 4/4
  9s: aborting (aborted by bob) | old 7/7 | new 1/1 -3
  10s: aborting (aborted by bob) | old 7/10 | new 1/1
  11s: aborting (aborted by bob) | old 10/10 | new 0/0 -1 | to old
  12s: aborted (aborted by bob) | old 10/10
