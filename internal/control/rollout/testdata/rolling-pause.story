# A pause holds a rolling release between two replicas, over a restart too.
release rolling 3
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old
pass 2s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2
pause
  2s: rolling: 1 of 3 replicas are new, paused (paused by bob) | old 2/2 | new 1/2
pass 10m
  3s: rolling: 2 of 3 replicas are new, paused (paused by bob) | old 2/2 | new 2/2
restart
pass 10s
resume
  10m12s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2
pass 20s
  10m13s: rolling: 2 of 3 replicas are new | old 1/1 | new 2/3
  10m14s: rolling: 3 of 3 replicas are new | old 0/0 -1 | new 3/3
  10m15s: complete | new 3/3
