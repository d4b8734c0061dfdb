# Both versions are broken: the new one crashes, and the old one does not start again. A hotfix waits for neither.
release rolling 3
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old
pass 4s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 2/3
ruined
down new
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 0/3
abort
  4s: aborting (aborted by bob) | old 1/1 | new 0/0 -3 | to old
pass 3s
  5s: aborting (aborted by bob) | old 1/3 | to old
next
  7s: aborted (aborted by bob; the next release begins with 1 of 3 replicas of the old version) | old 1/3
pass 2s
# Without one, it ends after the progress deadline.
release rolling 3
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old
pass 4s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 2/3
ruined
down new
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 0/3
abort
  4s: aborting (aborted by bob) | old 1/1 | new 0/0 -3 | to old
pass 65s
  5s: aborting (aborted by bob) | old 1/3 | to old
  1m5s: aborting (aborted by bob; no progress for 1m0s: 1 of 3 replicas of the old version are available; not serving yet) | old 1/3 | to old
  1m5.5s: aborted (aborted by bob; no progress for 1m0s: 1 of 3 replicas of the old version are available; not serving yet) | old 1/3
# While the new version serves, it stays: nobody else does.
release rolling 3
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old
pass 4s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 2/3
ruined
abort
  4s: aborting (aborted by bob) | old 1/1 | new 2/2 -1
pass 65s
  5s: aborting (aborted by bob) | old 1/2 | new 2/2
  1m5s: aborting (aborted by bob; no progress for 1m0s: 1 of 3 replicas of the old version are available; not serving yet; the new version stays) | old 1/1 -1 | new 2/2
  1m6s: aborting (aborted by bob; no progress for 1m0s: 1 of 3 replicas of the old version are available; not serving yet; the new version stays) | old 1/1 | new 2/3
  1m7s: aborting (aborted by bob; no progress for 1m0s: 1 of 3 replicas of the old version are available; not serving yet; the new version stays) | old 0/0 -1 | new 3/3
  1m8s: aborted (aborted by bob; no progress for 1m0s: 1 of 3 replicas of the old version are available; not serving yet; the new version stays) | new 3/3
# So it is after its promotion, when the old one has ended.
release blueGreen 2 keep=1s
  0s: starting | old 2/2 | new 0/2 | to old, new 0%
pass 2s
  1s: promoting | old 2/2 | new 2/2 | to old, new 100%
  1s: keeping | old 2/2 | new 2/2 | to old, new 100%
  2s: retiring | old 0/0 -2 | new 2/2 | to new
ruined
abort
  2s: aborting (aborted by bob) | old 0/2 -2 | new 2/2 | to old, new 100%
pass 65s
  3s: aborting (aborted by bob) | old 0/2 | new 2/2 | to old, new 100%
  1m2s: aborting (aborted by bob; no progress for 1m0s: 0 of 2 replicas of the old version are available; not serving yet; the new version stays) | old 0/0 -2 | new 2/2 | to old, new 100%
  1m3s: aborted (aborted by bob; no progress for 1m0s: 0 of 2 replicas of the old version are available; not serving yet; the new version stays) | new 2/2
# Half of the old version is enough for what was asked for.
release rolling 4 surge=1 unavailable=0
  0s: rolling: 0 of 4 replicas are new | old 4/4 | new 0/1 | to old
pass 4s
  1s: rolling: 1 of 4 replicas are new | old 3/3 -1 | new 1/1
  2s: rolling: 1 of 4 replicas are new | old 3/3 | new 1/2
  3s: rolling: 2 of 4 replicas are new | old 2/2 -1 | new 2/2
  4s: rolling: 2 of 4 replicas are new | old 2/2 | new 2/3
ruined
abort
  4s: aborting (aborted by bob) | old 2/2 | new 2/2 -1
pass 65s
  5s: aborting (aborted by bob) | old 2/3 | new 2/2
  1m5s: aborting (aborted by bob; no progress for 1m0s: 2 of 4 replicas of the old version are available; not serving yet) | old 2/3 | new 0/0 -2 | to old
  1m6s: aborted (aborted by bob; no progress for 1m0s: 2 of 4 replicas of the old version are available; not serving yet) | old 2/4
