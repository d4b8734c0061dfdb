// Objectives: how much of each error budget is left, and how fast it goes.
import { get, Refusal } from "./api";
import type { Level } from "./findings";
import { percent } from "./format";
import { Bar, Empty, Mark, Panel, useAsked } from "./parts";
import { Plot } from "./plot";
import { to } from "./route";

interface Objective {
  name: string;
  target?: number;
  // left is the share of the budget that is left; below 0 when it is overdrawn.
  left: number;
  // burn is how many times faster than allowed it goes, over the shortest time.
  burn?: number;
  history?: { time: number[]; left: (number | null)[] };
}

interface Answer {
  data: { result: { metric: Record<string, string>; value?: [number, string]; values?: [number, string][] }[] };
}

const base = "/prometheus/api/v1/";
const query = (q: string) => get<Answer>(base + "query?" + new URLSearchParams({ query: q }));

// ask gathers the objectives from what their rules record.
async function ask(): Promise<Objective[]> {
  const end = Math.floor(Date.now() / 1000);
  const range = new URLSearchParams({ query: "slo:budget_left", start: String(end - 3600), end: String(end), step: "15" });
  const [left, target, burn, past] = await Promise.all([query("slo:budget_left"), query("slo:target"), query('max by (slo) ({__name__=~"slo:burn:.+"})'), get<Answer>(base + "query_range?" + range)]);
  const of = (a: Answer, slo: string) => a.data.result.find((r) => r.metric.slo === slo);
  return left.data.result.map((r) => {
    const name = r.metric.slo ?? "";
    const values = of(past, name)?.values ?? [];
    const number = (a: Answer) => (of(a, name)?.value ? Number(of(a, name)!.value![1]) : undefined);
    return { name, left: Number(r.value?.[1]), target: number(target), burn: number(burn), history: { time: values.map((v) => v[0]), left: values.map((v) => Number(v[1])) } };
  });
}

export function Objectives() {
  const { value, error } = useAsked(ask, 10_000, "objectives");
  const off = error instanceof Refusal && (error.status === 404 || error.status === 503);
  const all = [...(value ?? [])].sort((a, b) => a.left - b.left);
  return (
    <>
      <h1 class="headline">Objectives</h1>
      {error && !off && (
        <p class="problem" role="alert">
          {error.message}
        </p>
      )}
      {(off || value?.length === 0) && (
        <Empty title="No objective is set">
          Say in afloat.yaml what users may rely on, as <code>slo: {"{web: 99.9%}"}</code>. How much of the error budget is left then stands here.
        </Empty>
      )}
      <div class="columns">
        {all.map((o) => (
          <One key={o.name} o={o} />
        ))}
      </div>
    </>
  );
}

const levelOf = (o: Objective): Level => (o.left <= 0 ? "bad" : o.left < 0.25 || (o.burn ?? 0) > 6 ? "warn" : "good");

function One({ o }: { o: Objective }) {
  const level = levelOf(o);
  return (
    <Panel
      title={
        <>
          <Mark level={level} /> {o.name}
        </>
      }
      aside={<a href={to("explore", `slo:budget_left{slo="${o.name}"}`)}>Explore</a>}
    >
      <p class={`figure ${level === "good" ? "" : level}`}>
        {percent(Math.max(0, o.left))} <small>of the error budget is left</small>
      </p>
      <p class="dim budget">
        <Bar share={Math.max(0, o.left)} level={level} label={`${percent(Math.max(0, o.left))} left`} /> {o.target !== undefined && `${(o.target * 100).toFixed(3).replace(/\.?0+$/, "")}% must be good`}
        {o.burn !== undefined && ` · goes ${o.burn.toFixed(1)} times as fast as allowed`}
      </p>
      {o.history && o.history.time.length > 1 && <Plot time={o.history.time} lines={[{ label: "left", color: "teal", values: o.history.left, fill: true }]} format={percent} label={`Budget of ${o.name}`} height={110} max={1} />}
    </Panel>
  );
}
