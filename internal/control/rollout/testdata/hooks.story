# Programs are asked before, during and after; one that says no too often aborts.
release canary 2 step=10%,30s unjudged keep=1s hook=before hook=during failures=1 hook=after
  0s: before | old 2/2
  0s: starting | old 2/2 | new 0/1 | to old, new 0%
pass 5s
  1s: step 1 of 1, weight 10% (1 of 1 replicas of the new version are available) | old 2/2 | new 1/1 | to old, new 10%
  1s: step 1 of 1, weight 10% (holds until 2027-01-01T12:00:31Z) | old 2/2 | new 1/1 | to old, new 10%
hook 1 no
pass 12s
hook 1 yes
pass 20s
  31s: promoting | old 2/2 | new 1/2 | to old, new 10%
  32s: promoting | old 2/2 | new 2/2 | to old, new 100%
  32s: after | old 2/2 | new 2/2 | to old, new 100%
  32s: keeping | old 2/2 | new 2/2 | to old, new 100%
  33s: retiring | old 0/0 -2 | new 2/2 | to new
  34s: complete | new 2/2
pass 5s
release rolling 1 hook=after
  0s: rolling: 0 of 1 replicas are new | old 1/1 | new 0/1 | to old
hook 0 no
pass 10s
  1s: rolling: 1 of 1 replicas are new | old 0/0 -1 | new 1/1
  2s: after | new 1/1
  2s: aborting (the hook http://hook/after says no: status 500) | old 0/1 | new 1/1
  3s: aborting (the hook http://hook/after says no: status 500) | old 1/1 | new 0/0 -1 | to old
  4s: aborted (the hook http://hook/after says no: status 500) | old 1/1
