// Topology: who calls whom, with traffic, health and latency on the edges. Four
// columns: listeners, routes, services, endpoints. An edge is there because the
// configuration has it; what goes over it was measured, or is left out.
import { useMemo, useRef } from "preact/hooks";
import type { Live, Service } from "./api";
import { able, health, signalsOf, wanted, type Level } from "./findings";
import { latency, percent, plural, rate } from "./format";
import { useEdges, type Measured } from "./edges";
import { recent, useLive, type Trace } from "./live";
import { Empty, Panel, stateLevel } from "./parts";
import { to } from "./route";

interface Node {
  id: string;
  column: number;
  name: string;
  detail: string;
  level: Level;
  href?: string;
  dots?: Level[];
  height: number;
  y: number;
}

interface Edge {
  from: string;
  to: string;
  rate: number;
  level: Level;
  label: string;
  // kind tells apart what goes from and to the same.
  kind?: string;
  dashed?: boolean;
}

interface Rates {
  live: Live;
  rates: Map<string, number>;
}

const columns = ["Listeners", "Routes", "Services", "Endpoints"];
const [wide, gap, high, space] = [178, 140, 40, 12];
// endpointsMax is up to how many of a service's endpoints have a node each.
const endpointsMax = 8;
const dotsInRow = 18;

export function Topology() {
  const { live, traces } = useLive();
  const before = useRef<Rates | null>(null);
  const rates = useMemo(() => routeRates(live!, before), [live]);
  const measured = useEdges();
  if (live!.status.gateway.services.length === 0) return <Empty title="No service is configured" />;
  const { nodes, edges, height } = layout(live!, rates, traces, measured);
  const at = new Map(nodes.map((n) => [n.id, n]));
  const width = columns.length * wide + (columns.length - 1) * gap;
  return (
    <>
      <h1 class="headline">
        Topology <small>what goes where now; wider is more</small>
      </h1>
      <Panel>
        <div class="scroll topology" tabIndex={0} role="region" aria-label="Topology">
          <svg viewBox={`-2 -30 ${width + 4} ${height + 34}`} role="group" aria-label="Listeners, routes, services and endpoints">
            {columns.map((c, i) => (
              <text key={c} class="column" x={i * (wide + gap)} y={-14}>
                {c}
              </text>
            ))}
            {edges.map((e) => (
              <Line key={`${e.from} ${e.kind} ${e.to}`} e={e} from={at.get(e.from)!} to={at.get(e.to)!} place={placeOf(e, edges)} />
            ))}
            {nodes.map((n) => (
              <Box key={n.id} n={n} />
            ))}
          </svg>
        </div>
      </Panel>
    </>
  );
}

// routeRates is how many requests each route took in the last second.
function routeRates(live: Live, before: { current: Rates | null }): Map<string, number> {
  const was = before.current;
  const took = was ? (Date.parse(live.time) - Date.parse(was.live.time)) / 1000 : 0;
  const rates = new Map<string, number>();
  for (const r of live.status.gateway.routes) {
    const old = was?.live.status.gateway.routes.find((o) => o.name === r.name);
    const now = old && took > 0 ? Math.max(0, r.requests - old.requests) / took : 0;
    const past = was?.rates.get(r.name);
    rates.set(r.name, past ? past + 0.4 * (now - past) : now);
  }
  before.current = { live, rates };
  return rates;
}

function layout(live: Live, rates: Map<string, number>, traces: Map<string, Trace>, measured?: Map<string, Measured>) {
  const nodes: Node[] = [];
  const edges: Edge[] = [];
  const g = live.status.gateway;
  const add = (n: Omit<Node, "y" | "height">, height = high) => nodes.push({ ...n, height, y: 0 });
  const edge = (from: string, route: string, service: string, how: Partial<Edge> & { shown?: string; expected?: number }) => {
    const found = g.services.find((s) => s.name === service);
    if (!found) return;
    const m = measured?.get(`${route} ${service}`);
    const traffic = measured ? (m?.rate ?? 0) : (how.expected ?? 0);
    const failing = m && m.failedShare > 0.005 ? `${percent(m.failedShare)} fail` : "";
    const level = how.level ?? (m && m.rate > 0 ? (m.failedShare > 0.05 ? "bad" : failing ? "warn" : "good") : health(live, found));
    edges.push({ from, to: "s " + service, rate: traffic, level, kind: how.kind, dashed: how.dashed, label: [how.shown, failing, m && m.rate > 0 && m.p99 > 0 ? `p99 ${latency(m.p99)}` : ""].filter(Boolean).join(" · ") });
  };
  const takers = g.listeners.filter((l) => !l.tcp);
  for (const l of g.listeners) {
    add({ id: "l " + l.address, column: 0, name: l.address, detail: plural(l.connections, "connection"), level: l.draining ? "warn" : "good" });
    for (const service of l.tcp ?? []) edge("l " + l.address, "tcp " + l.address, service, { kind: "connections" });
  }
  for (const r of g.routes) {
    const traffic = rates.get(r.name) ?? 0;
    add({ id: "r " + r.name, column: 1, name: r.name, detail: `${rate(traffic)} req/s${r.fallback?.status ? ` · else answers ${r.fallback.status}` : ""}`, level: "good" });
    // Each listener's requests may match; which of several they came by is not counted.
    for (const l of takers) edges.push({ from: "l " + l.address, to: "r " + r.name, rate: takers.length === 1 ? traffic : 0, level: "good", label: "" });
    for (const service of new Set(r.to?.map((d) => d.service))) {
      const share = r.to!.filter((d) => d.service === service).reduce((sum, d) => sum + d.share, 0);
      edge("r " + r.name, r.name, service, { shown: share < 1 ? percent(share) : "", expected: traffic * share });
    }
    if (r.fallback?.service) {
      const falls = (measured?.get(`${r.name} ${r.fallback.service}`)?.rate ?? 0) > 0;
      edge("r " + r.name, r.name, r.fallback.service, { kind: "fallback", shown: "fallback", dashed: true, level: falls ? "warn" : "note" });
    }
    for (const m of r.mirrors ?? []) edge("r " + r.name, `${r.name} (mirror)`, m.service, { kind: "copies", shown: "copies", dashed: true, level: "note" });
  }
  const first = (s: Service) => {
    const i = g.routes.findIndex((r) => r.to?.some((d) => d.service === s.name));
    return i < 0 ? g.routes.length : i;
  };
  for (const s of [...g.services].sort((a, b) => first(a) - first(b))) ofService(s, live, traces, add, edges);
  return { nodes, edges, height: place(nodes) };
}

function ofService(s: Service, live: Live, traces: Map<string, Trace>, add: (n: Omit<Node, "y" | "height">, height?: number) => void, edges: Edge[]) {
  const signals = signalsOf(live.status, s.name);
  add({ id: "s " + s.name, column: 2, name: s.name, detail: `${rate(signals?.rate ?? 0)} req/s · ${able(s).length}/${wanted(s).length} up`, level: health(live, s), href: to("service", s.name) });
  if (s.endpoints.length > endpointsMax) {
    const up = able(s);
    const rows = Math.ceil(s.endpoints.length / dotsInRow);
    add({ id: "e " + s.name, column: 3, name: plural(s.endpoints.length, "endpoint"), detail: "", level: up.length === s.endpoints.length ? "good" : "warn", href: to("service", s.name), dots: s.endpoints.map((e) => stateLevel(e.state)) }, 26 + rows * 8);
    const mean = up.reduce((a, e) => a + e.latencySeconds, 0) / Math.max(up.length, 1);
    edges.push({ from: "s " + s.name, to: "e " + s.name, rate: signals?.rate ?? 0, level: up.length ? "good" : "bad", label: latency(mean) });
    return;
  }
  for (const e of s.endpoints) {
    const id = `e ${s.name} ${e.address}`;
    const trace = traces.get(`${s.name} ${e.address}`);
    const traffic = recent(trace?.rate, 3);
    const failing = traffic > 0 ? Math.min(1, recent(trace?.failed, 3) / traffic) : 0;
    const level = stateLevel(e.state);
    add({ id, column: 3, name: e.address, detail: level === "good" ? `${rate(traffic)} req/s · ${e.inFlight} in flight` : e.state, level, href: to("service", s.name) });
    edges.push({ from: "s " + s.name, to: id, rate: traffic, level: failing > 0.05 ? "bad" : level, label: level === "good" ? latency(e.latencySeconds) + (failing > 0.005 ? ` · ${percent(failing)} fail` : "") : "", dashed: level === "bad" || level === "note" });
  }
}

// place gives each node its height and centres the shorter columns.
function place(nodes: Node[]): number {
  const tall = columns.map((_, c) => nodes.filter((n) => n.column === c).reduce((h, n) => h + n.height + space, -space));
  const height = Math.max(...tall, high);
  columns.forEach((_, c) => {
    let y = (height - tall[c]) / 2;
    for (const n of nodes.filter((n) => n.column === c)) {
      n.y = y;
      y += n.height + space;
    }
  });
  return height;
}

// labelPlaces are where the labels of edges that end at one node stand, so that
// none covers another one.
const labelPlaces = [-6, 14, -19, 27];

const placeOf = (e: Edge, all: Edge[]) => labelPlaces[all.filter((o) => o.to === e.to && o.label).indexOf(e)];

function Line({ e, from, to: end, place }: { e: Edge; from: Node; to: Node; place?: number }) {
  const [x1, y1] = [from.column * (wide + gap) + wide, from.y + from.height / 2];
  const [x2, y2] = [end.column * (wide + gap), end.y + end.height / 2];
  const bend = gap * 0.5;
  const width = e.rate > 0 ? Math.min(9, 1.2 + Math.log10(1 + e.rate) * 1.8) : 1.2;
  return (
    <g class={`edge ${e.level}${e.dashed ? " dashed" : ""}${e.rate > 0 ? "" : " idle"}`}>
      <title>{`${from.name} to ${end.name}: ${[`${rate(e.rate)} req/s`, e.label].filter(Boolean).join(", ")}`}</title>
      <path d={`M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`} stroke-width={width} />
      {e.label && place !== undefined && (
        <text x={x2 - 8} y={y2 + place} text-anchor="end">
          {e.label}
        </text>
      )}
    </g>
  );
}

const short = (text: string, n: number) => (text.length > n ? text.slice(0, n - 1) + "…" : text);

function Box({ n }: { n: Node }) {
  const x = n.column * (wide + gap);
  const body = (
    <g class={`node ${n.level}`}>
      <title>{`${n.name}: ${n.detail}`}</title>
      <rect x={x} y={n.y} width={wide} height={n.height} rx="6" />
      <rect class="stripe" x={x} y={n.y + 6} width="3" height={n.height - 12} rx="1.500" />
      <text class="name" x={x + 12} y={n.y + 17}>
        {short(n.name, 23)}
      </text>
      <text class="detail" x={x + 12} y={n.y + 31}>
        {short(n.detail, 28)}
      </text>
      {n.dots?.map((d, i) => (
        <rect key={i} class={`dot ${d}`} x={x + 12 + (i % dotsInRow) * 8.500} y={n.y + 24 + Math.floor(i / dotsInRow) * 8} width="6" height="6" rx="1.500" />
      ))}
    </g>
  );
  return n.href ? (
    <a href={n.href}>
      {body}
    </a>
  ) : (
    body
  );
}
