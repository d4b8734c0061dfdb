// What was measured of the requests of each route at each service, by the store
// of metrics: the page's own stream has it of services alone.
import { get, Refusal } from "./api";
import { useAsked } from "./parts";

export interface Measured {
  rate: number;
  failedShare: number;
  p99: number;
}

interface Vector {
  data: { result: { metric: { route?: string; service?: string }; value: [number, string] }[] };
}

const by = "by (route, service";
const queries = [`sum ${by}) (rate(afloat_requests_total[15s]))`, `sum ${by}) (rate(afloat_requests_failed_total[15s]))`, `histogram_quantile(0.99, sum ${by}, le) (rate(afloat_request_duration_seconds_bucket[15s])))`];

async function ask(): Promise<Map<string, Measured>> {
  const answers = await Promise.all(queries.map((query) => get<Vector>("/prometheus/api/v1/query?" + new URLSearchParams({ query }))));
  const [rates, failed, p99] = answers.map((a) => new Map(a.data.result.map((r) => [`${r.metric.route} ${r.metric.service}`, Number(r.value[1]) || 0])));
  return new Map([...rates].map(([key, rate]) => [key, { rate, failedShare: rate > 0 ? (failed.get(key) ?? 0) / rate : 0, p99: p99.get(key) ?? 0 }]));
}

// useEdges is undefined where no metrics are kept.
export function useEdges(): Map<string, Measured> | undefined {
  const { value, error } = useAsked(ask, 3000, "edges");
  return error instanceof Refusal ? undefined : value;
}
