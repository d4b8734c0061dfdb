# Half way, it is aborted: requests go to the old replicas that are left at once, and the others come back.
release rolling 3
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old
pass 4s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 2/3
abort
  4s: aborting (aborted by bob) | old 1/1 | new 2/2 -1
pass 10s
  5s: aborting (aborted by bob) | old 1/2 | new 2/2
  6s: aborting (aborted by bob) | old 2/2 | new 1/1 -1
  7s: aborting (aborted by bob) | old 2/3 | new 1/1
  8s: aborting (aborted by bob) | old 3/3 | new 0/0 -1 | to old
  9s: aborted (aborted by bob) | old 3/3
resume
  not now: the release of web is aborted
