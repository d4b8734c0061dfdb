// One release: how far it has come and what it waits for, the judge's verdict, and
// the levers.
import { useRef, useState } from "preact/hooks";
import { call, get, type Entry, type Hook, type Point, type Release, type Released } from "./api";
import { findings, type Level } from "./findings";
import { Buttons, useForm } from "./form";
import { age, clock, count, day, percent, plural, since } from "./format";
import { store, useLive } from "./live";
import { FindingItem } from "./overview";
import { Empty, Mark, Modal, Panel, useAsked } from "./parts";
import { acts, levelOf, over, possible, stages, standing, strategies, waiting, type Act } from "./release";
import { Weight } from "./releases";
import { to } from "./route";
import { useMayAct } from "./session";
import { Entries } from "./timeline";
import { VerdictPanel, WeightPlot } from "./verdict";

const path = (service: string) => "/api/v1/releases/" + encodeURIComponent(service);

// useRelease asks for a release, and of its history for what is new.
function useRelease(service: string) {
  const { live } = useLive();
  const brief = live!.releases?.find((s) => s.service === service);
  const past = useRef<{ id?: string; points: Point[] }>({ points: [] });
  const ask = async () => {
    const last = past.current.points.at(-1)?.time;
    let s = await get<Released>(path(service) + (last ? "?" + new URLSearchParams({ since: last }) : ""));
    if (last && s.release?.id !== past.current.id) s = await get<Released>(path(service)); // another one, from its beginning
    const kept = s.release?.id === past.current.id ? past.current.points : [];
    const known = new Set(kept.map((p) => p.time));
    const more = (s.release?.history ?? []).filter((p) => !known.has(p.time));
    past.current = { id: s.release?.id, points: [...kept, ...more].slice(-600) };
    return { ...s, points: past.current.points };
  };
  const busy = brief?.release && !over(brief.release);
  return useAsked(ask, busy ? 1000 : 5000, `${service} ${live!.journal}`);
}

export function ReleaseScreen({ service }: { service: string }) {
  const { value: s, error, again } = useRelease(service);
  const [act, setAct] = useState<Act>();
  if (!s)
    return (
      <Empty title={error ? error.message : "Asking…"}>
        <a href={to("releases")}>All releases</a>
      </Empty>
    );
  const r = s.release;
  if (!r)
    return (
      <>
        <h1 class="headline">{service}</h1>
        <Empty title="Nothing has been released yet">
          It runs version {s.version}. A changed process in afloat.yaml begins a release, or <code>afloat rollout start {service}</code>.
        </Empty>
      </>
    );
  return (
    <>
      <h1 class="headline">
        <Mark level={levelOf(r)} /> {service}{" "}
        <small>
          {strategies[r.strategy]}, version {r.new} in place of {r.old}
        </small>
      </h1>
      <Standing s={s} r={r} pull={setAct} />
      <Facts r={r} last={s.points.at(-1)} />
      <div class="columns">
        <Stages r={r} />
        <Panel title="Weight" aside={<Weight r={r} />}>
          <WeightPlot points={s.points} />
        </Panel>
      </div>
      <VerdictPanel r={r} points={s.points} />
      <div class="columns">
        {r.sets.length > 0 && <Sets r={r} />}
        {!!r.hooks?.length && <Hooks hooks={r.hooks} />}
        <Story service={service} />
      </div>
      {act && <ActDialog act={act} s={s} close={() => (setAct(undefined), again())} />}
    </>
  );
}

// shownMost bounds what is said of what else is wrong with the service.
const shownMost = 3;

// Standing is what is waited for or why it ended, what can be done about it, and
// what is wrong with the service meanwhile: a new version whose endpoint is ejected
// gets no requests.
function Standing({ s, r, pull }: { s: Released; r: Release; pull: (a: Act) => void }) {
  const may = useMayAct();
  const { live, traces } = useLive();
  const what = waiting(r, store.now());
  const wrong = over(r) ? [] : findings(live!, traces).filter((f) => f.service === s.service && (f.level === "bad" || f.level === "warn") && !f.place);
  return (
    <Panel class="findings">
      <ul aria-label="How it stands">
        <li class={levelOf(r)}>
          <Mark level={levelOf(r)} said />
          <div>
            <p role="status">
              <strong>
                {standing(r)}
                {r.paused && ", paused"}
              </strong>
            </p>
            <p class="why">
              {what && <span>{what}</span>}
              {r.phase === "complete" && <span>version {r.new} is the service</span>}
              {r.phase === "aborted" && <span>version {s.version} is the service{s.version === r.old && ", as before"}</span>}
            </p>
          </div>
          {may && (
            <div class="levers">
              {possible(s).map((a) => (
                <button key={a} class={`small ${acts[a].danger ? "danger" : a === "promote" && r.waits === "gate" ? "primary" : ""}`} aria-label={`${acts[a].name}: ${s.service}`} onClick={() => pull(a)}>
                  {acts[a].name}
                </button>
              ))}
            </div>
          )}
        </li>
        {wrong.slice(0, shownMost).map((f) => (
          <FindingItem key={f.key} f={f} />
        ))}
      </ul>
    </Panel>
  );
}

// Facts count the tries that the judge saw, which are more than the requests of
// users where some are repeated.
function Facts({ r, last }: { r: Release; last?: Point }) {
  const end = r.ended ? Date.parse(r.ended) : store.now();
  const facts: [string, string][] = [
    ["Begun by", r.who],
    ["Begun", `${day(r.began)} ${clock(r.began)}`],
    [r.ended ? "Took" : "Takes so far", age(since(r.began, end))],
    ["Gets of the requests", percent(r.weight)],
  ];
  if (last?.newRequests) facts.push(["New version failed", `${last.newErrors} of ${count(last.newRequests)}`]);
  if (last?.oldRequests) facts.push(["Old version failed", `${last.oldErrors} of ${count(last.oldRequests)}`]);
  return (
    <dl class="facts panel">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const marks: Record<string, [level: Level, word: string]> = { done: ["good", "done"], now: ["warn", "under way"], next: ["note", "to come"], left: ["bad", "aborted here"] };

function Stages({ r }: { r: Release }) {
  const all = stages(r);
  const came = all.filter((s) => s.stands === "done").length;
  return (
    <Panel title="Steps" aside={`${came} of ${all.length} done`}>
      <ol class="stages">
        {all.map((s) => (
          <li key={s.name} class={s.stands} aria-current={s.stands === "now" ? "step" : undefined}>
            <Mark level={marks[s.stands][0]} said />
            <p>
              {s.name}
              {s.stands === "now" && <small>{waiting(r, store.now())}</small>}
              {s.stands === "left" && <small>aborted here</small>}
              <span class="unseen">{marks[s.stands][1]}</span>
            </p>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

function Sets({ r }: { r: Release }) {
  return (
    <Panel title="Replicas">
      <div class="scroll" tabIndex={0} role="region" aria-label="Replicas">
        <table class="rows">
          <thead>
            <tr>
              <th>Of</th>
              <th>Version</th>
              <th class="n">Available</th>
              <th class="n">End</th>
              <th class="n">Crashes</th>
              <th>Why</th>
            </tr>
          </thead>
          <tbody>
            {r.sets.map((s) => (
              <tr key={s.role}>
                <th scope="row">{s.role}</th>
                <td>
                  <code>{s.version}</code>
                </td>
                <td class={`n ${s.available < s.wanted ? "warn" : ""}`}>
                  {s.available} of {s.wanted}
                </td>
                <td class="n">{s.stopping ?? 0}</td>
                <td class={`n ${s.crashes ? "bad" : ""}`}>{s.crashes ?? 0}</td>
                <td class="reason">
                  <span>{s.why}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Hooks({ hooks }: { hooks: Hook[] }) {
  const level = (h: Hook): Level => (h.failures ? (h.failures > (h.failuresMax ?? 0) ? "bad" : "warn") : h.yes ? "good" : "note");
  return (
    <Panel title="Hooks">
      <ul class="alerts">
        {hooks.map((h) => (
          <li key={h.at + h.url}>
            <Mark level={level(h)} said />
            <div>
              <p>
                <strong>{h.at}</strong> <code>{h.url}</code>
              </p>
              <p class="why">
                <span>{h.running ? "is being asked" : h.failures ? `has said no ${plural(h.failures, "time")} in a row; ${h.failuresMax ?? 0} are borne` : h.yes ? "says yes" : "not asked yet"}</span>
                {h.failures ? <span>{h.why}</span> : null}
              </p>
            </div>
            <time>{h.lastAt && age(since(h.lastAt, store.now()))}</time>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

// Story is what the journal has of the service's releases.
function Story({ service }: { service: string }) {
  const { live } = useLive();
  const { value, error } = useAsked(() => get<Entry[]>("/api/v1/journal?" + new URLSearchParams({ kind: "release", subject: service, limit: "50" })), 0, `${service} ${live!.journal}`);
  return (
    <Panel title="What happened" aside={<a href={to("service", service)}>The service</a>}>
      {value?.length ? <Entries entries={[...value].reverse()} /> : <Empty title={error ? error.message : value ? "The journal has nothing of it" : "Asking…"} />}
    </Panel>
  );
}

function ActDialog({ act, s, close }: { act: Act; s: Released; close: () => void }) {
  const form = useForm((why, who) => call("PUT", `${path(s.service)}?${new URLSearchParams({ do: act, why, who })}`), close);
  const { name, danger, says } = acts[act];
  return (
    <Modal title={`${name}: ${s.service}`} close={close}>
      <form onSubmit={form.submit}>
        <p>{says(s)}</p>
        {act !== "undo" && s.release && act !== "abort" && <p class="dim">The new version gets {percent(s.release.weight)} of the requests now.</p>}
        {form.fields}
        <Buttons close={close} act={name} danger={danger} busy={form.busy} />
      </form>
    </Modal>
  );
}
