// Package judge says whether a new version of a service may take its traffic.
//
// It compares a canary with a baseline: the new version with the old one, under
// the same traffic at the same time. A [Trial] is told of every request of both
// and finds for one of three: [Pass], [Fail] or [Inconclusive], with the values
// that decided. Too little data is Inconclusive, never one of the others.
//
// Four things are asked of the requests, each by a test that stays valid
// however often one looks at it, so that a release may end at the request that
// settles it:
//
//   - Are the canary's errors more than its share of the traffic? By the count
//     test of M. Lindon and A. Malek, "Anytime-Valid Inference for Multinomial
//     Count Data", NeurIPS 2022 (arXiv 2011.03567).
//   - Does the canary keep the objective? By the sequential probability ratio
//     test of A. Wald, "Sequential Tests of Statistical Hypotheses", 1945.
//   - Do requests of the canary fail in a row?
//   - Are its quantiles of latency higher? By martingales on the counts at
//     either side of every latency, after S. R. Howard and A. Ramdas,
//     "Sequential estimation of quantiles with applications to A/B testing and
//     best-arm identification", Bernoulli 28(3), 2022 (arXiv 1906.09712), which
//     is also what M. Lindon, C. Sanden and V. Shirikian build upon in "Rapid
//     Regression Detection in Software Deployments through Sequential Testing",
//     KDD 2022 (arXiv 2205.14762).
//
// Any other series is held to a bound, or compared by the test of H. B. Mann
// and D. R. Whitney as Kayenta, the judge of Spinnaker, does.
//
// The package has no clock and does no I/O.
package judge
