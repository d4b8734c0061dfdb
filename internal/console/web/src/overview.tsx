// Overview: what is wrong first, then the golden signals, then every service.
import { useState } from "preact/hooks";
import type { OpenAlert } from "./alerts";
import type { Service, Signals } from "./api";
import { able, byWeight, findings, health, signalsOf, wanted, worst, type Finding, type Level } from "./findings";
import { age, latency, percent, plural, rate } from "./format";
import { useLive, type Series } from "./live";
import { Empty, Mark, Panel, Spark, stateLevel } from "./parts";
import { Plot } from "./plot";
import { to } from "./route";
import { Events } from "./timeline";

export function Overview() {
  const { live, series, traces } = useLive();
  const st = live!.status;
  const all = findings(live!, traces);
  const sum = st.signals[0];
  return (
    <>
      <Headline all={all} services={st.gateway.services.length} />
      {all.length > 0 && <Findings all={all} />}
      {sum && <Golden signals={sum} series={series.get("")} />}
      <Services />
      <Panel title="Lately" aside={<a href={to("incidents")}>All that happened</a>}>
        <Events events={[...(st.events ?? [])].reverse()} />
      </Panel>
    </>
  );
}

function Headline({ all, services }: { all: Finding[]; services: number }) {
  const of = (level: Level) => new Set(all.filter((f) => f.level === level && f.service).map((f) => f.service)).size;
  const [bad, warn] = [of("bad"), of("warn")];
  const level = worst(all.map((f) => f.level));
  const own = level === "bad" ? "Afloat itself is failing" : level === "warn" ? "Afloat needs a look" : services ? "All is well" : "Nothing is configured";
  const text = bad ? `${plural(bad, "service")} failing${warn ? `, ${warn} degraded` : ""}` : warn && level === "warn" ? `${plural(warn, "service")} degraded` : own;
  return (
    <h1 class="headline">
      <Mark level={level === "note" ? "good" : level} /> {text}
      <small>{plural(services, "service")}</small>
    </h1>
  );
}

// shownFirst is how many findings stand there before one asks for more.
const shownFirst = 6;

function Findings({ all }: { all: Finding[] }) {
  const [whole, setWhole] = useState(false);
  const shown = whole ? all : all.slice(0, shownFirst);
  return (
    <Panel class="findings">
      <ul aria-label="What is wrong">
        {shown.map((f) => (
          <FindingItem key={f.key} f={f} />
        ))}
      </ul>
      {all.length > shownFirst && (
        <button class="quiet more" onClick={() => setWhole(!whole)} aria-expanded={whole}>
          {whole ? "Fewer" : `${all.length - shownFirst} more`}
        </button>
      )}
    </Panel>
  );
}

export function FindingItem({ f }: { f: Finding }) {
  return (
    <li class={f.level}>
      <Mark level={f.level} />
      <div>
        <p>
          {f.service && (
            <a href={to(...(f.place ?? ["service", f.service]))}>
              <strong>{f.service}</strong>
            </a>
          )}{" "}
          {f.what}
          {f.alert && <Told a={f.alert} />}
        </p>
        <p class="why">
          {f.why && <span>{f.why}</span>}
          {f.does && <span class="does">{f.does}</span>}
        </p>
      </div>
      {f.seconds !== undefined && <time>{age(f.seconds)}</time>}
    </li>
  );
}

// Told leads to the incident that people are told of, and says who looks after it.
function Told({ a }: { a: OpenAlert }) {
  return (
    <>
      <a class="who" href={to("incidents", String(a.incident))}>
        {a.tier} incident
      </a>
      {a.acknowledgedAt && <span class="who">{a.acknowledgedBy || "somebody"} looks after it</span>}
    </>
  );
}

const none: Series = { time: [], rate: [], failed: [], p99: [], saturation: [] };

// Golden are the four golden signals, with the last five minutes of each.
export function Golden({ signals, series = none }: { signals: Signals; series?: Series }) {
  const full = signals.saturation > 1 ? "bad" : signals.saturation > 0.8 ? "warn" : "";
  const failing = signals.failedShare > 0.05 ? "bad" : signals.failedShare > 0.005 ? "warn" : "";
  return (
    <div class="golden">
      <Tile name="Traffic" value={rate(signals.rate)} unit="req/s" aside={`${signals.inFlight} under way`}>
        <Plot time={series.time} lines={[{ label: "req/s", color: "accent", values: series.rate, fill: true }]} format={rate} label="Traffic" height={92} max={1} />
      </Tile>
      <Tile name="Errors" value={percent(signals.failedShare)} level={failing} aside={`${signals.failed} in ${Math.round(signals.seconds)} s`}>
        <Plot time={series.time} lines={[{ label: "failed", color: "bad", values: series.failed, fill: true }]} format={percent} label="Errors" height={92} max={0.02} />
      </Tile>
      <Tile name="Latency" value={latency(signals.p99Seconds)} unit="p99" aside={`p50 ${latency(signals.p50Seconds)} · p95 ${latency(signals.p95Seconds)}`}>
        <Plot time={series.time} lines={[{ label: "p99", color: "violet", values: series.p99.map((v) => v || null), fill: true }]} format={latency} label="Latency" height={92} max={0.001} />
      </Tile>
      <Tile name="Saturation" value={percent(signals.saturation)} level={full} aside={signals.limit ? `limit ${signals.limit} · ${signals.queued} queued` : "no limit"}>
        <Plot time={series.time} lines={[{ label: "of the limit", color: "teal", values: series.saturation, fill: true }]} format={percent} label="Saturation" height={92} max={0.1} />
      </Tile>
    </div>
  );
}

function Tile(p: { name: string; value: string; unit?: string; aside: string; level?: string; children: preact.ComponentChildren }) {
  return (
    <section class="panel tile">
      <header>
        <h2>{p.name}</h2>
        <span class="aside">{p.aside}</span>
      </header>
      <p class={`figure ${p.level ?? ""}`}>
        {p.value} {p.unit && <small>{p.unit}</small>}
      </p>
      {p.children}
    </section>
  );
}

function Services() {
  const { live, series } = useLive();
  const [filter, setFilter] = useState("");
  const st = live!.status;
  const rows = st.gateway.services
    .map((s) => ({ s, g: signalsOf(st, s.name) }))
    .map((r) => ({ ...r, level: health(live!, r.s) }))
    .filter((r) => r.s.name.includes(filter))
    .sort((a, b) => byWeight(a.level, b.level) || (b.g?.failedShare ?? 0) - (a.g?.failedShare ?? 0) || a.s.name.localeCompare(b.s.name));
  if (st.gateway.services.length === 0)
    return (
      <Empty title="No service is configured">
        Write <code>services: {"{web: {endpoints: [127.0.0.1:9001]}}"}</code> into afloat.yaml; it is read again by itself.
      </Empty>
    );
  const search = st.gateway.services.length > 5 && <input type="search" data-search placeholder="Filter" aria-label="Filter services" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />;
  return (
    <Panel title="Services" aside={search}>
      <div class="scroll" tabIndex={0} role="region" aria-label="Services">
        <table class="rows">
          <thead>
            <tr>
              <th>Service</th>
              <th>Endpoints</th>
              <th class="n">Traffic</th>
              <th class="n">Errors</th>
              <th class="n">p50</th>
              <th class="n">p99</th>
              <th class="n">Saturation</th>
              <th>Last 5 min</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((r) => (
              <Row key={r.s.name} {...r} past={series.get(r.s.name)} />
            ))}
          </tbody>
        </table>
        {rows.length === 0 && <Empty title="No service has this in its name" />}
      </div>
    </Panel>
  );
}

function Row({ s, g, level, past }: { s: Service; g?: Signals; level: Level; past?: Series }) {
  return (
    <tr>
      <th scope="row">
        <Mark level={level} /> <a href={to("service", s.name)}>{s.name}</a>
      </th>
      <td>
        <Standing s={s} />
      </td>
      <td class="n">{g ? rate(g.rate) : "–"}</td>
      <td class={`n ${g && g.failedShare > 0.05 ? "bad" : g && g.failedShare > 0.005 ? "warn" : ""}`}>{g && g.requests ? percent(g.failedShare) : "–"}</td>
      <td class="n">{latency(g?.p50Seconds ?? 0)}</td>
      <td class="n">{latency(g?.p99Seconds ?? 0)}</td>
      <td class="n">{s.limit ? percent(g?.saturation ?? 0) : "–"}</td>
      <td>
        <Spark values={past?.rate ?? []} bad={past?.rate.map((v, i) => v * past.failed[i])} label={`Traffic of ${s.name}, and what failed of it`} width={130} />
      </td>
    </tr>
  );
}

// dotsMax is up to how many endpoints each has a dot.
const dotsMax = 12;

export function Standing({ s }: { s: Service }) {
  const all = wanted(s);
  return (
    <span class="standing">
      {able(s).length}/{all.length}
      {all.length <= dotsMax && (
        <span class="dots" aria-hidden="true">
          {s.endpoints.map((e) => (
            <i key={e.address} class={stateLevel(e.state)} />
          ))}
        </span>
      )}
    </span>
  );
}
