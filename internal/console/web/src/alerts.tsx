// Alerts: active, silenced, and what there was. They can be silenced and
// acknowledged.
import { useState } from "preact/hooks";
import { call, get, Refusal } from "./api";
import type { Level } from "./findings";
import { Buttons, useForm } from "./form";
import { age, clock, count, day, since } from "./format";
import type { AlertRecord, IncidentRecord } from "./incident";
import { store } from "./live";
import { Empty, Field, Mark, Modal, Panel, useAsked } from "./parts";
import { to } from "./route";
import { useMayAct } from "./session";

const silencesPath = "/api/v1/silences";

// OpenAlert is one that holds.
export interface OpenAlert extends AlertRecord {
  labels: Record<string, string>;
  annotations?: Record<string, string>;
  escalatedAt?: string;
  incident: number;
  // state is firing, flapping, silenced or inhibited.
  state: string;
}

interface Silence {
  id: string;
  matchers: string[];
  starts: string;
  ends: string;
  who?: string;
  why?: string;
}

export const tierLevel = (tier: string): Level => (/^(p0|critical|page)$/i.test(tier) ? "bad" : /^(p1|warning)$/i.test(tier) ? "warn" : "note");

export function Alerts() {
  const alerts = useAsked(() => get<OpenAlert[]>("/api/v1/alerts"), 2000, "alerts");
  const silences = useAsked(() => get<Silence[]>(silencesPath), 5000, "silences");
  const incidents = useAsked(() => get<IncidentRecord[]>("/api/v1/incidents"), 5000, "incidents");
  const [silencing, setSilencing] = useState<OpenAlert>();
  const [acknowledging, setAcknowledging] = useState<OpenAlert>();
  const [ending, setEnding] = useState<Silence>();
  if (alerts.error instanceof Refusal && (alerts.error.status === 404 || alerts.error.status === 503))
    return (
      <>
        <h1 class="headline">Alerts</h1>
        <Empty title="Alerts are off">
          Nobody is told of anything. What is wrong now is on the <a href="#/">overview</a>, and all that happened under <a href={to("incidents")}>incidents</a>.
        </Empty>
      </>
    );
  const all = alerts.value ?? [];
  const loud = (a: OpenAlert) => a.state === "firing" || a.state === "flapping";
  const active = all.filter(loud);
  const muted = all.filter((a) => !loud(a));
  const again = () => (alerts.again(), silences.again(), incidents.again());
  const past = (incidents.value ?? []).flatMap((i) => (i.alerts ?? []).map((a) => ({ ...a, incident: i.id }))).sort((a, b) => b.firedAt.localeCompare(a.firedAt));
  return (
    <>
      <h1 class="headline">
        <Mark level={active.length ? tierLevel(active[0].tier) : "good"} /> {active.length ? `${active.length} active` : "No active alert"}
        <small>{muted.length} silenced or inhibited</small>
      </h1>
      <Panel title="Active">
        {active.length === 0 ? (
          <Empty title="Nothing needs anybody" />
        ) : (
          <ul class="alerts">
            {active.map((a) => (
              <Row key={a.fingerprint} a={a} silence={() => setSilencing(a)} acknowledge={() => setAcknowledging(a)} />
            ))}
          </ul>
        )}
      </Panel>
      {muted.length > 0 && (
        <Panel title="Silenced and inhibited">
          <ul class="alerts">
            {muted.map((a) => (
              <Row key={a.fingerprint} a={a} />
            ))}
          </ul>
        </Panel>
      )}
      <Silences all={silences.value ?? []} end={setEnding} />
      <Panel title="History" aside={<a href={to("incidents")}>Incidents</a>}>
        {past.length === 0 ? (
          <Empty title="There was no alert yet" />
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label="History">
            <table class="rows">
              <thead>
                <tr>
                  <th>Alert</th>
                  <th>Fired</th>
                  <th class="n">Lasted</th>
                  <th class="n">Failed requests</th>
                  <th>Acknowledged</th>
                </tr>
              </thead>
              <tbody>
                {past.slice(0, 100).map((a) => (
                  <tr key={a.fingerprint + a.firedAt}>
                    <th scope="row">
                      <span class={`tier ${tierLevel(a.tier)}`}>{a.tier}</span> <a href={to("incidents", String(a.incident))}>{a.name}</a> <span class="dim">{a.service}</span>
                    </th>
                    <td>
                      {day(a.firedAt)} {clock(a.firedAt)}
                    </td>
                    <td class="n">{a.resolvedAt ? age((Date.parse(a.resolvedAt) - Date.parse(a.firedAt)) / 1000) : "still active"}</td>
                    <td class="n">{a.resolvedAt ? count(a.failed) : "–"}</td>
                    <td>{a.acknowledgedBy}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      {silencing && <SilenceDialog a={silencing} close={() => (setSilencing(undefined), again())} />}
      {acknowledging && <AcknowledgeDialog a={acknowledging} close={() => (setAcknowledging(undefined), again())} />}
      {ending && <EndDialog s={ending} close={() => (setEnding(undefined), again())} />}
    </>
  );
}

function Row({ a, silence, acknowledge }: { a: OpenAlert; silence?: () => void; acknowledge?: () => void }) {
  const may = useMayAct();
  return (
    <li>
      <span class={`tier ${tierLevel(a.tier)}`}>{a.tier}</span>
      <div>
        <p>
          <a href={to("incidents", String(a.incident))}>
            <strong>{a.summary || a.name}</strong>
          </a>
          {a.service && (
            <>
              {" "}
              <a href={to("service", a.service)}>{a.service}</a>
            </>
          )}
          {a.acknowledgedAt && <span class="who">acknowledged{a.acknowledgedBy && ` by ${a.acknowledgedBy}`}</span>}
          {a.state !== "firing" && <span class="who">{a.state}</span>}
          {a.escalatedAt && <span class="who">escalated</span>}
        </p>
        <p class="why">
          {a.annotations?.description && <span>{a.annotations.description}</span>}
          {a.failed > 0 && <span>{count(a.failed)} requests failed so far</span>}
          {a.annotations?.runbook_url && (
            <a href={a.annotations.runbook_url} rel="noreferrer" target="_blank">
              Runbook
            </a>
          )}
        </p>
      </div>
      <time>{age(since(a.faultAt, store.now()))}</time>
      {may && acknowledge && silence && (
        <div class="levers">
          {!a.acknowledgedAt && (
            <button class="small" onClick={acknowledge} aria-label={`Acknowledge: ${a.name}`}>
              Acknowledge
            </button>
          )}
          <button class="small" onClick={silence} aria-label={`Silence: ${a.name}`}>
            Silence
          </button>
        </div>
      )}
    </li>
  );
}

function Silences({ all, end }: { all: Silence[]; end: (s: Silence) => void }) {
  const may = useMayAct();
  if (all.length === 0) return null;
  return (
    <Panel title="Silences">
      <ul class="alerts">
        {all.map((s) => (
          <li key={s.id}>
            <span class="tier note">{Date.parse(s.starts) > store.now() ? "pending" : "active"}</span>
            <div>
              <p>
                <strong>{s.matchers.join(", ")}</strong>
              </p>
              <p class="why">
                <span>
                  {s.why}
                  {s.who && ` — ${s.who}`}
                </span>
              </p>
            </div>
            <time>
              until {day(s.ends)} {clock(s.ends).slice(0, 5)}
            </time>
            {may && (
              <div class="levers">
                <button class="small pulled" onClick={() => end(s)}>
                  End
                </button>
              </div>
            )}
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function SilenceDialog({ a, close }: { a: OpenAlert; close: () => void }) {
  const [hours, setHours] = useState("1");
  const form = useForm((why, who) => {
    const matchers = Object.entries(a.labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
    return call("PUT", silencesPath, { matchers, for: `${Number(hours) * 60}m`, why, who });
  }, close);
  return (
    <Modal title={`Silence: ${a.name}`} close={close}>
      <form onSubmit={form.submit}>
        <p>Nobody is told of this alert until the time is up.</p>
        <Field label="For">
          <select value={hours} onChange={(e) => setHours(e.currentTarget.value)}>
            <option value="0.25">15 min</option>
            <option value="1">1 h</option>
            <option value="4">4 h</option>
            <option value="24">1 day</option>
            <option value="168">1 week</option>
          </select>
        </Field>
        {form.fields}
        <Buttons close={close} busy={form.busy} act="Silence" />
      </form>
    </Modal>
  );
}

function AcknowledgeDialog({ a, close }: { a: OpenAlert; close: () => void }) {
  const form = useForm((why, who) => call("PUT", "/api/v1/alerts/acknowledgement", { which: a.fingerprint, why, who }), close);
  return (
    <Modal title={`Acknowledge: ${a.name}`} close={close}>
      <form onSubmit={form.submit}>
        <p>You look after it: it is not told again, and not escalated.</p>
        {form.fields}
        <Buttons close={close} busy={form.busy} act="Acknowledge" />
      </form>
    </Modal>
  );
}

function EndDialog({ s, close }: { s: Silence; close: () => void }) {
  const form = useForm((why, who) => call("DELETE", `${silencesPath}/${encodeURIComponent(s.id)}?${new URLSearchParams({ why, who })}`), close);
  return (
    <Modal title="End the silence" close={close}>
      <form onSubmit={form.submit}>
        <p>It was asked for{s.who && ` by ${s.who}`}: “{s.why}”</p>
        {form.fields}
        <Buttons close={close} busy={form.busy} act="End the silence" />
      </form>
    </Modal>
  );
}
