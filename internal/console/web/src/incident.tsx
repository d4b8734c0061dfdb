// Incidents: what hung together, its timeline, evidence and what was done. Where
// alerts are off, the journal alone.
import { useRef, useState } from "preact/hooks";
import { get, type Entry } from "./api";
import { tierLevel } from "./alerts";
import { Evidence } from "./evidence";
import { age, clock, count, day } from "./format";
import { store, useLive } from "./live";
import { Empty, Mark, Panel, useAsked } from "./parts";
import { to } from "./route";
import { Entries } from "./timeline";

export interface IncidentRecord {
  id: number;
  service?: string;
  tier: string;
  title: string;
  faultAt: string;
  detectedAt: string;
  acknowledgedAt?: string;
  acknowledgedBy?: string;
  resolvedAt?: string;
  failed: number;
  alerts: AlertRecord[] | null;
}

export interface AlertRecord {
  fingerprint: string;
  name: string;
  tier: string;
  service?: string;
  summary?: string;
  faultAt: string;
  firedAt: string;
  acknowledgedAt?: string;
  acknowledgedBy?: string;
  resolvedAt?: string;
  failed: number;
}

// Report is an incident with what happened around it, oldest first.
interface Report extends IncidentRecord {
  timeline: Entry[] | null;
}

export function Incidents({ id }: { id?: string }) {
  const { live } = useLive();
  const list = useAsked(() => get<IncidentRecord[]>("/api/v1/incidents"), 5000, "incidents");
  if (id) return <One key={id} id={id} />;
  const all = [...(list.value ?? [])].sort((a, b) => b.id - a.id);
  const open = all.filter((i) => !i.resolvedAt);
  return (
    <>
      <h1 class="headline">
        <Mark level={open.length ? tierLevel(open[0].tier) : "good"} /> {open.length ? `${open.length} open` : "No open incident"}
      </h1>
      {!list.error && (
        <Panel title="Incidents">
          {all.length === 0 ? (
            <Empty title="There was no incident yet">Alerts of one service that hang together become one.</Empty>
          ) : (
            <ul class="alerts">
              {all.slice(0, 50).map((i) => (
                <li key={i.id}>
                  <span class={`tier ${tierLevel(i.tier)}`}>{i.tier}</span>
                  <div>
                    <p>
                      <a href={to("incidents", String(i.id))}>
                        <strong>{i.title}</strong>
                      </a>
                    </p>
                    <p class="why">
                      <span>
                        {day(i.faultAt)} {clock(i.faultAt)}
                      </span>
                      {i.resolvedAt && <span>{count(i.failed)} requests failed</span>}
                      {i.acknowledgedBy && <span>acknowledged by {i.acknowledgedBy}</span>}
                    </p>
                  </div>
                  <time>{i.resolvedAt ? age((Date.parse(i.resolvedAt) - Date.parse(i.faultAt)) / 1000) : "open"}</time>
                </li>
              ))}
            </ul>
          )}
        </Panel>
      )}
      <Journal last={live!.journal} />
    </>
  );
}

const areas = ["lever", "config", "fault", "endpoint", "process", "alert", "release"];

// entriesEach is how many entries are asked for at once, and entriesMax how many
// are kept.
const [entriesEach, entriesMax] = [200, 1000];

// useJournal reads on from the last entry seen, as soon as there are newer ones.
function useJournal(area: string, last: number) {
  const kept = useRef<{ area: string; entries: Entry[] }>({ area, entries: [] });
  const ask = async () => {
    let all = kept.current.area === area ? kept.current.entries : [];
    if ((all.at(-1)?.id ?? 0) > last) all = []; // a journal that has begun anew
    for (;;) {
      const query = new URLSearchParams({ limit: String(entriesEach) });
      if (area) query.set("kind", area);
      const seen = all.at(-1);
      if (seen) query.set("after", String(seen.id));
      const more = await get<Entry[]>("/api/v1/journal?" + query);
      all = [...all, ...more].slice(-entriesMax);
      kept.current = { area, entries: all };
      if (!seen || more.length < entriesEach) return all;
    }
  };
  return useAsked(ask, 0, `${last} ${area}`);
}

// Journal is all that happened, newest first.
function Journal({ last }: { last: number }) {
  const [area, setArea] = useState("");
  const { value, error } = useJournal(area, last);
  const choice = (
    <select aria-label="What about" value={area} onChange={(e) => setArea(e.currentTarget.value)}>
      <option value="">Everything</option>
      {areas.map((a) => (
        <option key={a} value={a}>
          {a}
        </option>
      ))}
    </select>
  );
  return (
    <Panel title="Journal" aside={choice}>
      {value?.length ? <Entries entries={[...value].reverse()} /> : <Empty title={error ? error.message : value ? "Nothing of this kind has happened" : "Asking…"} />}
    </Panel>
  );
}

function One({ id }: { id: string }) {
  const { live } = useLive();
  const { value, error } = useAsked(() => get<Report>("/api/v1/incidents/" + encodeURIComponent(id)), 5000, `${id} ${live!.journal}`);
  if (value) return <Incident i={value} />;
  return (
    <>
      <h1 class="headline">Incident {id}</h1>
      <Empty title={error ? error.message : "Asking…"}>
        <a href={to("incidents")}>All incidents</a>
      </Empty>
    </>
  );
}

function Incident({ i }: { i: Report }) {
  const end = i.resolvedAt ? Date.parse(i.resolvedAt) : store.now();
  const about = i.timeline ?? [];
  const done = about.filter((e) => e.kind.startsWith("lever") || e.kind.startsWith("release") || e.kind === "alert.acknowledged");
  return (
    <>
      <h1 class="headline">
        <Mark level={i.resolvedAt ? "good" : tierLevel(i.tier)} /> {i.title}
        <small>{i.resolvedAt ? `over after ${age((end - Date.parse(i.faultAt)) / 1000)}` : `open for ${age((end - Date.parse(i.faultAt)) / 1000)}`}</small>
      </h1>
      <dl class="facts panel">
        <Fact name="Tier" value={i.tier} />
        <Fact name="Fault began" value={`${day(i.faultAt)} ${clock(i.faultAt)}`} />
        <Fact name="Noticed after" value={age((Date.parse(i.detectedAt) - Date.parse(i.faultAt)) / 1000)} />
        <Fact name="Acknowledged" value={i.acknowledgedAt ? `${clock(i.acknowledgedAt)} ${i.acknowledgedBy ?? ""}` : "not yet"} />
        <Fact name="Over" value={i.resolvedAt ? clock(i.resolvedAt) : "not yet"} />
        <Fact name="Requests failed" value={i.resolvedAt ? count(i.failed) : "counted at its end"} />
      </dl>
      <div class="columns">
        <Panel title="Evidence" aside={i.service && <a href={to("service", i.service)}>{i.service}</a>}>
          <Evidence i={i} />
          <ul class="alerts">
            {(i.alerts ?? []).map((a) => (
              <li key={a.fingerprint + a.firedAt}>
                <span class={`tier ${tierLevel(a.tier)}`}>{a.tier}</span>
                <div>
                  <p>
                    <strong>{a.summary || a.name}</strong>
                  </p>
                </div>
                <time>{a.resolvedAt ? "over" : "active"}</time>
              </li>
            ))}
          </ul>
        </Panel>
        <Panel title="What was done">{done.length ? <Entries entries={[...done].reverse()} /> : <Empty title="Nobody has done anything by hand" />}</Panel>
      </div>
      <Panel title="Timeline" aside={<a href={`/api/v1/incidents/${i.id}/postmortem`}>Post-mortem in Markdown</a>}>
        {about.length ? <Entries entries={[...about].reverse()} /> : <Empty title="The journal has nothing of that time" />}
      </Panel>
    </>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
