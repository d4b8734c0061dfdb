// The judge's verdict, in words and as plots of the values that decided.
import type { Check, Point, Release } from "./api";
import { chance, count, latency, percent } from "./format";
import { Empty, Mark, Panel } from "./parts";
import { Legend, Plot, type Line } from "./plot";
import { decisionLevel, over } from "./release";

export function VerdictPanel({ r, points }: { r: Release; points: Point[] }) {
  const v = r.verdict;
  if (!v)
    return (
      <Panel title="Judge">
        {r.judged ? (
          <Empty title={over(r) ? "What the judge saw is not known any more" : "The judge has seen nothing yet"}>{over(r) ? "It is not kept beyond a restart of Afloat. What it said is in the journal." : "It watches as soon as requests reach the new version."}</Empty>
        ) : (
          <Empty title="Nobody judges this release">It goes back by itself when the new version does not start, or crashes.</Empty>
        )}
      </Panel>
    );
  return (
    <Panel title="Judge" aside={<Decided decision={v.decision} />}>
      <p class="verdict">{v.decision === "pass" ? "There was enough to see, and nothing against the new version." : v.why}</p>
      <div class="plots">
        <Errors r={r} points={points} />
        <Unlikely r={r} />
        {v.checks.filter((c) => c.allowed || measured(c, points)).slice(0, plotsMax).map((c) => (
          <Values key={c.name} check={c} points={points} />
        ))}
        {v.checks.filter((c) => c.decision === "fail" && c.below && measured(c, points)).map((c) => (
          <Decisive key={c.name} check={c} points={points} />
        ))}
      </div>
      <Checks checks={v.checks} />
    </Panel>
  );
}

// plotsMax bounds the plots of latencies and series.
const plotsMax = 8;

function Decided({ decision }: { decision: Check["decision"] }) {
  const level = decisionLevel[decision];
  return (
    <span class={`state ${level}`}>
      <Mark level={level} said /> {decision}
    </span>
  );
}

// ofCounts are the checks that know no more than counts, which have plots of their
// own.
const ofCounts = ["errors", "objective", "failures in a row"];
const measured = (c: Check, points: Point[]) => !ofCounts.includes(c.name) && points.some((p) => p.checks?.some((q) => q.name === c.name && (q.canary || q.baseline)));

// format is how a check's values are written.
function format(name: string): (v: number) => string {
  if (name.startsWith("latency ")) return latency;
  if (name === "errors" || name === "objective") return percent;
  if (name === "failures in a row") return (v) => String(v);
  return (v) => String(Number(v.toPrecision(3)));
}

function Checks({ checks }: { checks: Check[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Checks of the judge">
      <table class="rows">
        <thead>
          <tr>
            <th>Check</th>
            <th>Finding</th>
            <th class="n">New version</th>
            <th class="n">Held to</th>
            <th class="n">Chance</th>
            <th class="n">Fails at</th>
            <th>In words</th>
          </tr>
        </thead>
        <tbody>
          {checks.map((c) => (
            <tr key={c.name}>
              <th scope="row">{c.name}</th>
              <td>
                <Decided decision={c.decision} />
              </td>
              <td class="n">{format(c.name)(c.canary)}</td>
              <td class="n">{format(c.name)(c.allowed ?? c.baseline)}</td>
              <td class={`n ${c.decision === "fail" ? "bad" : ""}`}>{c.p === undefined ? "–" : chance(c.p)}</td>
              <td class="n">{c.below ? chance(c.below) : "–"}</td>
              <td class="reason wide">{c.why}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const seconds = (p: Point) => Date.parse(p.time) / 1000;

// windowSeconds is over how long shares of failed requests are taken: a canary may
// have few requests a second.
const windowSeconds = 5;

// shares are the failed of the requests of the last seconds; null without any.
function shares(points: Point[], requests: "newRequests" | "oldRequests", errors: "newErrors" | "oldErrors"): (number | null)[] {
  const total = (key: typeof requests | typeof errors) => {
    let sum = 0;
    // A judge who begins anew counts from 0.
    return points.map((p, i) => (sum += i === 0 ? p[key] : p[key] >= points[i - 1][key] ? p[key] - points[i - 1][key] : p[key]));
  };
  const [all, failed] = [total(requests), total(errors)];
  let from = 0;
  return points.map((p, i) => {
    while (seconds(points[from]) < seconds(p) - windowSeconds) from++;
    const first = Math.max(0, from - 1);
    const n = all[i] - (i === first ? 0 : all[first]);
    return n > 0 ? (failed[i] - (i === first ? 0 : failed[first])) / n : null;
  });
}

function Errors({ r, points }: { r: Release; points: Point[] }) {
  const objective = r.verdict?.checks.find((c) => c.name === "objective");
  const lines: Line[] = [
    { label: "new version", color: "accent", values: shares(points, "newRequests", "newErrors"), fill: true },
    { label: "old version", color: "teal", values: shares(points, "oldRequests", "oldErrors") },
  ];
  if (objective) lines.push({ label: "the objective allows", color: "bad", values: points.map(() => objective.baseline), bound: true });
  return <Figure title="Errors" about={`of the requests of ${windowSeconds} s`} time={points.map(seconds)} lines={lines} format={percent} max={0.02} />;
}

// Unlikely plots how the checks of counts went: how unlikely what they saw became
// by chance alone, up to where the new version fails. Of a chance its logarithm is
// plotted.
function Unlikely({ r }: { r: Release }) {
  const v = r.verdict!;
  const find = (name: string) => v.checks.find((c) => c.name === name);
  const below = find("objective")?.below;
  if (!below || !v.course?.length) return null;
  const course = [{ at: 0, p: 1, objective: 1, inRow: 1 }, ...v.course.map((p) => ({ ...p, at: p.canary.requests + p.baseline.requests }))].filter((p, i, all) => i === 0 || p.at > all[i - 1].at);
  const lines: Line[] = [{ label: "against the objective", color: "violet", values: course.map((p) => up(p.objective)) }];
  if (find("errors")) lines.unshift({ label: "against the old version", color: "accent", values: course.map((p) => up(p.p)), fill: true });
  if (find("failures in a row")?.decision === "fail") lines.push({ label: "failures in a row", color: "warn", values: course.map((p) => up(p.inRow)) });
  lines.push({ label: "it fails", color: "bad", values: course.map(() => up(below)), bound: true });
  return <Figure title="Evidence" about="the chance of such errors if it is no worse, over the requests at this weight" time={course.map((p) => p.at)} along={(x) => count(x)} lines={lines} format={down} zero={down(0)} max={up(below) * 1.1} />;
}

// up is the logarithm of a chance, the higher the less likely, and down writes the
// chance that it is of.
const up = (p: number) => -Math.log10(Math.max(p, 1e-300));
const down = (y: number) => chance(10 ** -y);

// Decisive plots the chance of a check that failed and knows more than counts.
function Decisive({ check, points }: { check: Check; points: Point[] }) {
  const chances = points.map((p) => p.checks?.find((c) => c.name === check.name)?.p);
  const lines: Line[] = [
    { label: check.name, color: "accent", values: chances.map((p) => (p === undefined ? null : up(p))), fill: true },
    { label: "it fails", color: "bad", values: points.map(() => up(check.below!)), bound: true },
  ];
  return <Figure title={`Evidence of ${check.name}`} about="the chance of it if the new version is no worse" time={points.map(seconds)} lines={lines} format={down} zero={down(0)} max={up(check.below!) * 1.1} />;
}

// Values plots what a check compared.
function Values({ check, points }: { check: Check; points: Point[] }) {
  const at = points.map((p) => p.checks?.find((c) => c.name === check.name));
  const values = (key: "canary" | "baseline" | "allowed") => at.map((c) => c?.[key] || null);
  const lines: Line[] = [
    { label: "new version", color: "accent", values: values("canary"), fill: true },
    { label: "old version", color: "teal", values: values("baseline") },
  ];
  if (check.allowed) lines.push({ label: "that allows", color: "bad", values: values("allowed"), bound: true });
  const title = check.name[0].toUpperCase() + check.name.slice(1);
  return <Figure title={title} about="at this weight" time={points.map(seconds)} lines={lines} format={format(check.name)} />;
}

export function WeightPlot({ points }: { points: Point[] }) {
  const lines: Line[] = [{ label: "new version", color: "accent", values: points.map((p) => p.weight), fill: true, stays: true }];
  return points.length > 1 ? <Plot time={points.map(seconds)} lines={lines} format={percent} label="Weight of the new version" height={150} max={1} /> : <Empty title="There is nothing to plot" />;
}

function Figure(p: { title: string; about: string; time: number[]; lines: Line[]; format: (v: number) => string; along?: (x: number) => string; zero?: string; max?: number }) {
  return (
    <figure>
      <figcaption>
        <strong>{p.title}</strong> <small>{p.about}</small>
      </figcaption>
      {p.time.length > 1 ? <Plot time={p.time} lines={p.lines} format={p.format} along={p.along} zero={p.zero} label={p.title} height={150} max={p.max} /> : <Empty title="There is nothing to plot" />}
      <Legend lines={p.lines} />
    </figure>
  );
}
