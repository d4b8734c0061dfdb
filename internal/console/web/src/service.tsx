// Service: its golden signals, each endpoint with its latency and last error,
// its policies as they stand, and the levers.
import { useMemo, useState } from "preact/hooks";
import type { Endpoint, Fault, LeverKind, Processes, Retry, Route, Service } from "./api";
import { byWeight, findings, health, signalsOf } from "./findings";
import { age, count, latency, percent, plural, rate, since, words } from "./format";
import { LeverDialog, leverNames, type Wanted } from "./lever";
import { recent, store, useLive, type Trace } from "./live";
import { Bar, Empty, Mark, Panel, Spark, State, stateLevel } from "./parts";
import { Golden, Standing } from "./overview";
import { ReleaseOf } from "./releases";
import { useMayAct } from "./session";
import { Events } from "./timeline";

export function ServiceScreen({ name }: { name: string }) {
  const { live, series, traces } = useLive();
  const [lever, setLever] = useState<Wanted>();
  const st = live!.status;
  const service = st.gateway.services.find((s) => s.name === name);
  if (!service)
    return (
      <>
        <h1 class="headline">There is no service {name}</h1>
        <Empty title="It may have been removed by a reload">
          <a href="#/">Back to the overview</a>
        </Empty>
      </>
    );
  const signals = signalsOf(st, name);
  const wrong = findings(live!, traces).filter((f) => f.service === name && f.level !== "note")[0];
  const released = live!.releases?.find((s) => s.service === name);
  const processes = (st.processes ?? []).filter((p) => p.service === name);
  return (
    <>
      <h1 class="headline">
        <Mark level={health(live!, service)} /> {name} <Standing s={service} />
        {wrong && (
          <small>
            {wrong.what}
            {wrong.why && ` — ${wrong.why}`}
          </small>
        )}
      </h1>
      {signals && <Golden signals={signals} series={series.get(name)} />}
      <Endpoints service={service} pull={setLever} />
      <div class="columns">
        <Policies service={service} routes={st.gateway.routes} faults={live!.faults} />
        {released && <ReleaseOf s={released} />}
        {processes.length > 0 && <Replicas sets={processes} />}
        <Panel title="Lately">
          <Events events={(st.events ?? []).filter((e) => e.who === name || e.who?.startsWith(name + " ")).reverse()} />
        </Panel>
      </div>
      {lever && <LeverDialog service={service} wanted={lever} close={() => setLever(undefined)} />}
    </>
  );
}

const order = (e: Endpoint) => stateLevel(e.state);

function Endpoints({ service, pull }: { service: Service; pull: (w: Wanted) => void }) {
  const [filter, setFilter] = useState("");
  const all = [...service.endpoints].filter((e) => (e.address + e.state + (e.zone ?? "")).includes(filter)).sort((a, b) => byWeight(order(a), order(b)));
  const zones = service.endpoints.some((e) => e.zone);
  const search = service.endpoints.length > 8 && <input type="search" data-search placeholder="Filter" aria-label="Filter endpoints" value={filter} onInput={(e) => setFilter(e.currentTarget.value)} />;
  return (
    <Panel title={`Endpoints (${service.endpoints.length})`} aside={search}>
      {service.endpoints.length === 0 ? (
        <Empty title="It has no endpoint">Its processes may not be ready yet, or its list in afloat.yaml is empty.</Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Endpoints">
          <table class="rows endpoints">
            <thead>
              <tr>
                <th>Endpoint</th>
                <th>State</th>
                <th class="n">For</th>
                <th>Share</th>
                <th class="n">Weight</th>
                {zones && <th>Zone</th>}
                <th class="n">Traffic</th>
                <th class="n">Failed</th>
                <th class="n">Latency</th>
                <th>2 min</th>
                <th class="n">In flight</th>
                <th>Why, and last error</th>
                <th class="levers">
                  <span class="unseen">Levers</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((e) => (
                <EndpointRow key={e.address} e={e} zones={zones} trace={store.traces.get(`${service.name} ${e.address}`)} pull={pull} />
              ))}
            </tbody>
          </table>
          {all.length === 0 && <Empty title="No endpoint has this in its address, state or zone" />}
        </div>
      )}
    </Panel>
  );
}

function EndpointRow({ e, zones, trace, pull }: { e: Endpoint; zones: boolean; trace?: Trace; pull: (w: Wanted) => void }) {
  const failing = recent(trace?.failed);
  const traffic = recent(trace?.rate);
  // Of hundreds of rows little changes each second: what is the same is not
  // looked at again.
  const levers = useMemo(() => <Levers e={e} pull={pull} />, [e.address, JSON.stringify(e.levers)]);
  const share = useMemo(
    () => (
      <>
        <Bar share={e.share} label={`${percent(e.share)} of the requests`} /> <span class="dim">{percent(e.share)}</span>
      </>
    ),
    [e.share],
  );
  return (
    <tr>
      <th scope="row" class="address">
        {e.address}
      </th>
      <td>
        <State state={e.state} />
        {e.breaker !== "closed" && e.state !== "isolated" && <small class="dim"> breaker {e.breaker}</small>}
      </td>
      <td class="n dim">{age(e.sinceSeconds)}</td>
      <td>{share}</td>
      <td class="n">{e.weight ?? 1}</td>
      {zones && <td>{e.zone}</td>}
      <td class="n">{rate(traffic)}</td>
      <td class={`n ${failing > 0 ? "bad" : ""}`}>{traffic > 0 ? percent(Math.min(1, failing / traffic)) : "–"}</td>
      <td class="n">{latency(e.latencySeconds)}</td>
      <td>
        <Spark values={trace?.latency ?? []} label={`Latency of ${e.address}`} width={80} />
      </td>
      <td class="n">{e.inFlight}</td>
      <td class="reason">
        {e.why && <span>{e.why}</span>}
        {e.lastError && !e.why?.includes(e.lastError) && (
          <span class="dim" title={e.lastError}>
            last error: {e.lastError}
          </span>
        )}
      </td>
      <td class="levers">{levers}</td>
    </tr>
  );
}

const kinds: LeverKind[] = ["drain", "isolate", "weight"];

// Levers has a button for what can be done, and for what can be undone.
function Levers({ e, pull }: { e: Endpoint; pull: (w: Wanted) => void }) {
  if (!useMayAct()) return null;
  return (
    <>
      {kinds.map((kind) => {
        const undo = e.levers?.find((l) => l.kind === kind);
        const text = undo ? leverNames[kind].undo : leverNames[kind].act;
        return (
          <button key={kind} class={undo ? "small pulled" : "small"} aria-label={`${text}: ${e.address}`} onClick={() => pull({ kind, endpoint: e.address, undo })}>
            {text}
          </button>
        );
      })}
    </>
  );
}

// Retries is how much a budget has left, and what it was used for.
function Retries({ r }: { r: Retry }) {
  return (
    <>
      {r.unbounded ? (
        "no budget bounds them"
      ) : (
        <>
          <Bar share={r.left / Math.max(r.left + r.spent, 1)} level={r.left > 0 ? "good" : "bad"} label={`${r.left} of ${r.left + r.spent} left`} /> {r.left > 0 ? `${count(r.left)} more allowed now` : <span class="bad">the budget is spent</span>}
        </>
      )}
      <small>
        {count(r.repeated)} tries repeated since the start
        {r.refused > 0 && <span class="warn">; {count(r.refused)} not, for want of budget</span>}
      </small>
    </>
  );
}

// lease is when a fault ends by itself.
function lease(f: Fault): string {
  if (!f.ends) return f.injected ? "" : "by the configuration";
  return `ends in ${age(Math.max(0, (Date.parse(f.ends) - store.now()) / 1000))}`;
}

function did(f: Fault): string {
  const all: [number, string][] = [[f.delayed, "delayed"], [f.aborted, "aborted"], [f.closed, "closed"], [f.reset, "reset"], [f.slowed, "slowed"]];
  return all.filter(([n]) => n > 0).map(([n, what]) => `${count(n)} ${what}`).join(", ") || "nothing was hit yet";
}

function Policies({ service: s, routes, faults }: { service: Service; routes: Route[]; faults: Fault[] }) {
  const own = routes.filter((r) => r.to?.some((d) => d.service === s.name));
  const lent = routes.filter((r) => r.fallback?.service === s.name);
  const open = s.endpoints.filter((e) => e.breaker !== "closed").length;
  return (
    <Panel title="Policies">
      <dl class="policies">
        <div>
          <dt>Concurrency</dt>
          <dd>
            {s.limit ? (
              <>
                <Bar share={s.inFlight / s.limit} level={s.inFlight >= s.limit ? "bad" : "good"} label={`${s.inFlight} of ${s.limit}`} /> {s.inFlight} of {s.limit}
                {s.queued > 0 && `, ${s.queued} queued`}
                <small>
                  {s.limitWhy}
                  {s.shed > 0 && `; ${count(s.shed)} shed since the start`}
                </small>
              </>
            ) : (
              <span class="dim">no limit</span>
            )}
          </dd>
        </div>
        {!!s.streams && (
          <div>
            <dt>Streams</dt>
            <dd>
              {count(s.streams)} under way<small>they take no place of the limit</small>
            </dd>
          </div>
        )}
        {!!s.held && (
          <div>
            <dt>Held</dt>
            <dd>
              <span class="warn">{count(s.held)} wait for an endpoint</span>
            </dd>
          </div>
        )}
        <div>
          <dt>Retries</dt>
          <dd>{s.retry ? <Retries r={s.retry} /> : <span class="dim">nothing is repeated</span>}</dd>
        </div>
        <div>
          <dt>Breakers</dt>
          <dd>
            {open === 0 ? `all ${s.endpoints.length} closed` : <span class="warn">{open} of {s.endpoints.length} not closed</span>}
            {s.endpoints
              .filter((e) => e.breaker !== "closed")
              .slice(0, 3)
              .map((e) => (
                <small key={e.address}>
                  {e.address}: {e.breaker}
                  {e.retryAfterSeconds ? `, a probe in ${age(e.retryAfterSeconds)}` : ""}
                </small>
              ))}
          </dd>
        </div>
        <div>
          <dt>Brownout</dt>
          <dd>
            {words(s.brownout)}
            {s.browned > 0 && <small>{count(s.browned)} requests refused since the start</small>}
          </dd>
        </div>
        {s.hedge && (
          <div>
            <dt>Hedges</dt>
            <dd>
              {count(s.hedge.started)} started, {count(s.hedge.won)} won
              <small>{count(s.hedge.refused)} not started for want of budget</small>
            </dd>
          </div>
        )}
        {own.map((r) => (
          <div key={r.name}>
            <dt>Route {r.name}</dt>
            <dd>
              {count(r.requests)} requests
              {r.limited > 0 && <small class="warn">{count(r.limited)} over its rate limit</small>}
              {!!r.denied && <small class="warn">{count(r.denied)} denied</small>}
              {r.limits?.map((l) => (
                <small key={l.by}>
                  limit{l.by && ` by ${l.by}`}: {count(l.rejected)} refused, {plural(l.keys, "key")}
                </small>
              ))}
              {r.to
                ?.filter((d) => d.service === s.name && d.retry)
                .map((d, i) => (
                  <div key={i}>
                    <Retries r={d.retry!} />
                  </div>
                ))}
              {r.cache && (
                <small>
                  cache: {plural(r.cache.entries, "answer")} kept, {count(r.cache.hits)} hits, {count(r.cache.misses)} misses, {count(r.cache.stale)} stale, {count(r.cache.collapsed)} waited for the same
                </small>
              )}
              {r.fallback && (
                <small class={r.fallback.used > 0 ? "warn" : ""}>
                  fallback to {[r.fallback.service, r.fallback.status && `an answer with ${r.fallback.status}`].filter(Boolean).join(", then ")}: used {count(r.fallback.used)} times
                </small>
              )}
              {r.mirrors?.map((m) => (
                <small key={m.service}>
                  copies to {m.service}: {count(m.sent)} sent, {count(m.inFlight)} under way, {count(m.dropped)} not made
                </small>
              ))}
              {faults
                .filter((f) => f.route === r.name && !f.over)
                .map((f) => (
                  <small key={`${f.injected}`} class="warn">
                    {["a fault is injected", lease(f)].filter(Boolean).join(", ")}: {did(f)}
                  </small>
                ))}
            </dd>
          </div>
        ))}
        {lent.map((r) => (
          <div key={r.name}>
            <dt>Fallback</dt>
            <dd>
              of route {r.name}
              <small>used {count(r.fallback!.used)} times</small>
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}

// Replicas are those of all versions, which are several while one is released.
function Replicas({ sets }: { sets: Processes[] }) {
  const sum = (of: (p: Processes) => number) => sets.reduce((n, p) => n + of(p), 0);
  const versions = sets.some((p) => p.version);
  return (
    <Panel title="Processes" aside={`${sum((p) => p.ready)} of ${sum((p) => p.desired)} ready, ${[...new Set(sets.map((p) => p.rollout))].join(", ")}`}>
      <div class="scroll" tabIndex={0} role="region" aria-label="Processes">
        <table class="rows">
          <thead>
            <tr>
              <th>Replica</th>
              {versions && <th>Version</th>}
              <th>Phase</th>
              <th class="n">For</th>
              <th class="n">Restarts</th>
              <th>Why</th>
            </tr>
          </thead>
          <tbody>
            {sets.flatMap((p) =>
              (p.replicas ?? []).map((r) => (
                <tr key={`${p.name} ${r.id}`}>
                  <th scope="row" class="address">
                    #{r.id} {r.ports?.[0]?.addr}
                  </th>
                  {versions && <td>{p.version}</td>}
                  <td>{r.phase}</td>
                  <td class="n dim">{age(since(r.since, store.now()))}</td>
                  <td class="n">{r.restarts}</td>
                  <td class="reason">
                    <span>{r.why || r.lastExit}</span>
                  </td>
                </tr>
              )),
            )}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
