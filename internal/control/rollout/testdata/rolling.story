# Replica by replica, never more than four and never fewer than three.
release rolling 3
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old
pass 20s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 2/3
  5s: rolling: 3 of 3 replicas are new | old 0/0 -1 | new 3/3
  6s: complete | new 3/3
