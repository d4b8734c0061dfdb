# The new version stands whole beside the old one, is looked at, and gets all requests at once.
release blueGreen 3 preview=127.0.0.1:8081 keep=1m
  0s: starting | old 3/3 | new 0/3 | to old, new 0%
pass 3s
  1s: step 1 of 1 (waits at a gate for afloat rollout promote web) | old 3/3 | new 3/3 | to old, new 0%
promote
  3s: promoting | old 3/3 | new 3/3 | to old, new 100%
  3s: keeping | old 3/3 | new 3/3 | to old, new 100%
pass 30s
# Somebody finds that it is bad after all: the old one is still there.
abort
  33s: aborting (aborted by bob) | old 3/3 | new 0/0 -3 | to old
pass 2s
  34s: aborted (aborted by bob) | old 3/3
