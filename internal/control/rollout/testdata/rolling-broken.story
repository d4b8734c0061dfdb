# A new version that never gets ready is given up after the progress deadline.
release rolling 3
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old
broken
pass 90s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2
  1m2s: aborting (no progress for 1m0s: 1 of 2 replicas of the new version are available; not serving yet) | old 2/2 | new 1/1 -1
  1m3s: aborting (no progress for 1m0s: 1 of 2 replicas of the new version are available; not serving yet) | old 2/3 | new 1/1
  1m4s: aborting (no progress for 1m0s: 1 of 2 replicas of the new version are available; not serving yet) | old 3/3 | new 0/0 -1 | to old
  1m5s: aborted (no progress for 1m0s: 1 of 2 replicas of the new version are available; not serving yet) | old 3/3
