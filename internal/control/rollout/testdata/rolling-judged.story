# The shares follow the replicas: whenever those change, the judge counts anew. Its no goes back, and nobody needs its yes.
release rolling 3 judged
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old | judged beside, stretch 0
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old | judged beside, stretch 1
pass 10s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1 | judged beside, stretch 2
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1 | judged beside, stretch 3
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2 | judged beside, stretch 3
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2 | judged beside, stretch 4
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2 | judged beside, stretch 5
  4s: rolling: 2 of 3 replicas are new | old 1/1 | new 2/3 | judged beside, stretch 5
  5s: rolling: 3 of 3 replicas are new | old 0/0 -1 | new 3/3 | judged beside, stretch 6
  5s: rolling: 3 of 3 replicas are new | old 0/0 -1 | new 3/3 | judged beside, stretch 7
  6s: complete | new 3/3
release rolling 3 judged
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old | judged beside, stretch 0
  0s: rolling: 0 of 3 replicas are new | old 3/3 | new 0/1 | to old | judged beside, stretch 1
pass 3s
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1 | judged beside, stretch 2
  1s: rolling: 1 of 3 replicas are new | old 2/2 -1 | new 1/1 | judged beside, stretch 3
  2s: rolling: 1 of 3 replicas are new | old 2/2 | new 1/2 | judged beside, stretch 3
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2 | judged beside, stretch 4
  3s: rolling: 2 of 3 replicas are new | old 1/1 -1 | new 2/2 | judged beside, stretch 5
judge fail errors: 6 of 20 at the canary, 0 of 40 beside it
  3s: aborting (the judge: errors: 6 of 20 at the canary, 0 of 40 beside it) | old 1/1 -1 | new 2/2
pass 1s
  4s: aborting (the judge: errors: 6 of 20 at the canary, 0 of 40 beside it) | old 1/2 | new 2/2
