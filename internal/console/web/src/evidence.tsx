// Evidence: how an incident's service did from before it until after it, by the
// store of metrics, or while nothing is kept by what this page remembers.
import { latency, percent, rate } from "./format";
import type { IncidentRecord } from "./incident";
import { store, useLive } from "./live";
import { Empty, useAsked } from "./parts";
import { Plot } from "./plot";
import { askRange, stepOf } from "./range";
import { to } from "./route";

type Values = (number | null)[];

interface Course {
  time: number[];
  failed: Values;
  rate: Values;
  p99: Values;
}

// around is how many seconds before and after an incident belong to it.
const around = 60;

// ask reads the course of a service, or of all where there is none.
async function ask(service: string, start: number, end: number): Promise<Course> {
  const of = service ? `{service=${JSON.stringify(service)}}` : "";
  const window = `${of}[${Math.max(15, 4 * stepOf(end - start))}s]`;
  const traffic = `sum(rate(afloat_requests_total${window}))`;
  const queries = [`(sum(rate(afloat_requests_failed_total${window})) or vector(0)) / ${traffic}`, traffic, `histogram_quantile(0.99, sum by (le) (rate(afloat_request_duration_seconds_bucket${window})))`];
  const [failed, all, p99] = await Promise.all(queries.map((q) => askRange(q, start, end)));
  return { time: all.time, failed: failed.found[0]?.values ?? [], rate: all.found[0]?.values ?? [], p99: p99.found[0]?.values ?? [] };
}

// remembered is what the page itself has seen of it.
function remembered(service: string, start: number, end: number): Course | undefined {
  const s = store.series.get(service);
  const first = s ? s.time.findIndex((t) => t >= start) : -1;
  if (!s || first < 0 || s.time[first] > end) return undefined;
  return { time: s.time.slice(first), failed: s.failed.slice(first), rate: s.rate.slice(first), p99: s.p99.slice(first) };
}

const most = (values: Values) => values.reduce<number>((a, b) => Math.max(a, b ?? 0), 0);

export function Evidence({ i }: { i: IncidentRecord }) {
  useLive();
  const service = i.service ?? "";
  const start = Math.floor(Date.parse(i.faultAt) / 1000) - around;
  // What came after it is asked for until it is there.
  const end = () => Math.floor(Math.min(store.now(), i.resolvedAt ? Date.parse(i.resolvedAt) + around * 1000 : Infinity) / 1000);
  const over = !!i.resolvedAt && store.now() > Date.parse(i.resolvedAt) + around * 1000;
  const { value } = useAsked(() => ask(service, start, end()), over ? 0 : 5000, `${i.id} ${i.resolvedAt}`);
  const course = value?.rate.length ? value : remembered(service, start, end());
  if (!course)
    return (
      <Empty title="Nothing is kept of that time">
        <a href={to("explore", `sum(rate(afloat_requests_total{service=${JSON.stringify(service)}}[1m]))`)}>Ask the store of metrics</a>
      </Empty>
    );
  return (
    <>
      <Plot time={course.time} lines={[{ label: "failed", color: "bad", values: course.failed, fill: true }]} format={percent} label={`Errors, at most ${percent(most(course.failed))}`} height={110} max={0.02} />
      <Plot time={course.time} lines={[{ label: "req/s", color: "accent", values: course.rate, fill: true }]} format={rate} label={`Traffic, at most ${rate(most(course.rate))}`} height={90} max={1} />
      <Plot time={course.time} lines={[{ label: "p99", color: "violet", values: course.p99 }]} format={latency} label={`Latency, at most ${latency(most(course.p99))}`} height={90} max={0.01} />
    </>
  );
}
