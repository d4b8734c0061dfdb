// What is wrong, since when, why, and what Afloat does about it: sentences made
// of a status, worst first.
import { tierLevel, type OpenAlert } from "./alerts";
import type { Live, Released, Service, Signals, Status } from "./api";
import { changedBefore, doing, failingOne, slowOne, type Traces } from "./causes";
import { age, count, latency, percent, plural, since, words } from "./format";
import { over, standing, waiting } from "./release";

export type Level = "bad" | "warn" | "note" | "good";

export interface Finding {
  key: string;
  level: Level;
  // service it is about; empty: Afloat itself.
  service: string;
  what: string;
  why?: string;
  does?: string;
  seconds?: number;
  // alert is the one that people are told of it by.
  alert?: OpenAlert;
  // place has more of it, where that is not the service's screen.
  place?: string[];
}

const weights: Record<Level, number> = { bad: 0, warn: 1, note: 2, good: 3 };

// able are the endpoints that get requests.
export const able = (s: Service) => s.endpoints.filter((e) => e.state === "up" || e.state === "probing");

// wanted leaves out those that leave by themselves.
export const wanted = (s: Service) => s.endpoints.filter((e) => e.state !== "draining" || e.levers?.length);

export const signalsOf = (st: Status, service: string): Signals | undefined => st.signals.find((s) => s.service === service);

// health is how a service stands for its users.
export function health(live: Live, s: Service): Level {
  const levels = ofService(live, s, new Map()).map((f) => f.level);
  return worst([able(s).length < wanted(s).length ? "warn" : "good", ...levels.filter((l) => l !== "note")]);
}

export function worst(levels: Level[]): Level {
  return levels.reduce<Level>((a, b) => (weights[b] < weights[a] ? b : a), "good");
}

export const byWeight = (a: Level, b: Level) => weights[a] - weights[b];

export function findings(live: Live, traces: Traces): Finding[] {
  const st = live.status;
  const all = st.gateway.services.flatMap((s) => ofService(live, s, traces));
  const known = new Set(st.gateway.services.map((s) => s.name));
  all.push(...heard(live).filter((a) => !known.has(a.service ?? "")).map((a) => ofAlert(live, a)));
  all.push(...ofProcesses(st), ...ofFaults(live), ...ofAfloat(live), ...(live.releases ?? []).flatMap((s) => ofRelease(s, Date.parse(live.time))));
  return all.sort((a, b) => byWeight(a.level, b.level) || (a.seconds ?? 0) - (b.seconds ?? 0));
}

// shownEach bounds what is said of one service's endpoints.
const shownEach = 5;

// heard are the alerts that people are told of.
const heard = (live: Live) => live.alerts.filter((a) => a.state === "firing" || a.state === "flapping");

function ofAlert(live: Live, a: OpenAlert): Finding {
  const service = a.service ?? "";
  const summary = a.summary || a.name;
  const what = service && summary.startsWith(service) ? summary.slice(service.length).replace(/^[:\s]+/, "") : summary;
  const why = [a.annotations?.description, changedBefore(live, service, a.faultAt)].filter(Boolean).join("; ");
  return { key: "alert " + a.fingerprint, level: tierLevel(a.tier), service, what, why, alert: a, seconds: since(a.faultAt, Date.parse(live.time)) };
}

// ofService is what is wrong with a service. An alert about it is part of what
// is wrong for its users, where that can be seen; else it speaks for itself.
function ofService(live: Live, s: Service, traces: Traces): Finding[] {
  const out = seen(live, s, traces);
  const alerts = heard(live).filter((a) => a.service === s.name);
  const main = out.find((f) => f.main);
  if (!main) return [...alerts.slice(0, shownEach).map((a) => ofAlert(live, a)), ...out];
  main.alert = alerts[0];
  if (main.alert) main.seconds = Math.max(main.seconds ?? 0, since(main.alert.faultAt, Date.parse(live.time)));
  return out;
}

// since the moment that a status names, in seconds; undefined where it does not.
const sinceWhen = (live: Live, time?: string) => (time ? since(time, Date.parse(live.time)) : undefined);

// slowly is bad where users surely feel it.
const slowly = (g: Signals): Level => (g.p99Seconds >= 1 && g.p99Seconds > 10 * (g.usualP99Seconds ?? 0) ? "bad" : "warn");

function seen(live: Live, s: Service, traces: Traces): (Finding & { main?: boolean })[] {
  const g = signalsOf(live.status, s.name);
  const out: (Finding & { main?: boolean })[] = [];
  const up = able(s).length;
  const all = wanted(s).length;
  const say = (f: Omit<Finding, "service"> & { main?: boolean }) => out.push({ service: s.name, ...f, key: s.name + " " + f.key });
  const ill = s.endpoints.filter((e) => e.state === "down" || e.state === "ejected");
  const failing = g && g.requests > 0 && g.failedShare > 0.005;
  const figures = failing && `${percent(g.failedShare)} of its requests fail, ${count(g.failed)} in ${Math.round(g.seconds)} s`;
  const changed = (time?: string) => changedBefore(live, s.name, time);
  const reasons = (...all: (string | undefined | false)[]) => all.filter(Boolean).join("; ");
  if (all === 0) say({ key: "none", main: true, level: "bad", what: "has no endpoint", why: reasons(figures, changed(g?.failingSince)), does: "its requests are answered with 503", seconds: sinceWhen(live, g?.failingSince) });
  else if (up === 0)
    say({
      key: "none up",
      main: true,
      level: "bad",
      what: `cannot serve: ${all === 1 ? "its endpoint takes no requests" : `none of its ${all} endpoints takes requests`}`,
      why: reasons(figures, ill[0]?.why, changed(g?.failingSince)),
      does: "endpoints are asked whether they are back",
      seconds: Math.min(...s.endpoints.map((e) => e.sinceSeconds)),
    });
  else if (failing)
    say({
      key: "fails",
      main: true,
      level: g.failedShare > 0.05 ? "bad" : "warn",
      what: `fails ${percent(g.failedShare)} of its requests`,
      why: reasons(`${count(g.failed)} of ${count(g.requests)} in ${Math.round(g.seconds)} s`, failingOne(s, traces), changed(g.failingSince)),
      does: doing(s),
      seconds: sinceWhen(live, g.failingSince),
    });
  if (up > 0 && g?.slowSince)
    say({
      key: "slow",
      main: !failing,
      level: slowly(g),
      what: `is slow: p99 ${latency(g.p99Seconds)} instead of ${latency(g.usualP99Seconds ?? 0)}`,
      why: reasons(slowOne(s), s.queued > 0 && `${plural(s.queued, "request")} wait for a place`, !failing && changed(g.slowSince)),
      does: doing(s),
      seconds: sinceWhen(live, g.slowSince),
    });
  if (up > 0) {
    for (const e of ill.slice(0, shownEach))
      say({
        key: e.address,
        level: "warn",
        what: `${e.address} is ${e.state}`,
        why: e.why || (e.lastError && "last error: " + e.lastError),
        does: `no requests go there; ${e.state === "ejected" && e.retryAfterSeconds ? `a probe in ${age(e.retryAfterSeconds)}` : "it is asked whether it is back"}`,
        seconds: e.sinceSeconds,
      });
    if (ill.length > shownEach) say({ key: "more", level: "warn", what: `${ill.length - shownEach} more endpoints are down or ejected` });
  }
  if (s.brownout !== "none")
    say({ key: "brownout", main: !failing && !g?.slowSince, level: "warn", what: "is saturated", why: s.limitWhy, does: `requests are refused by priority: ${words(s.brownout)}` });
  else if (g && g.saturation > 1)
    say({ key: "queue", main: !failing && !g?.slowSince, level: "warn", what: `is at its limit of ${s.limit} requests at once`, why: s.limitWhy, does: `${plural(s.queued, "request")} wait, what is too much is shed` });
  for (const e of s.endpoints)
    for (const l of (e.levers ?? []).slice(0, shownEach))
      say({
        key: e.address + l.kind,
        level: "note",
        what: `${e.address} is ${l.kind === "drain" ? "drained" : l.kind === "isolate" ? "isolated" : `weighed ${l.weight}`}${l.who ? ` by ${l.who}` : ""}`,
        why: l.why,
        seconds: since(l.since, Date.parse(live.time)),
      });
  return out;
}

function ofProcesses(st: Status): Finding[] {
  const out: Finding[] = [];
  for (const p of st.processes ?? []) {
    const of = p.version ? ` of version ${p.version}` : "";
    if (p.rollout === "rollout stalled") out.push({ key: p.name + " rollout", service: p.service, level: "warn", what: `its rollout${of} is stalled`, why: p.rolloutWhy, does: "the old replicas go on serving" });
    for (const r of (p.replicas ?? []).filter((r) => r.phase === "backoff").slice(0, shownEach))
      out.push({ key: `${p.name} ${r.id}`, service: p.service, level: "warn", what: `replica ${r.id}${of} has ended`, why: r.why || r.lastExit, does: `it is started again${r.restarts ? `; ${plural(r.restarts, "restart")} so far` : ""}` });
  }
  return out;
}

const ofFaults = (live: Live): Finding[] =>
  live.faults
    .filter((f) => !f.over)
    .map((f) => ({ key: "fault " + f.route, service: "", level: "note", what: `a fault is injected into route ${f.route}`, why: f.ends ? `until ${new Date(f.ends).toLocaleTimeString()}` : "by the configuration" }));

// abortedSeconds is how long an aborted release is news.
const abortedSeconds = 3600;

function ofRelease(s: Released, now: number): Finding[] {
  const r = s.release;
  if (!r || r.phase === "complete") return [];
  const seconds = Math.max(0, (now - Date.parse(r.ended ?? r.began)) / 1000);
  if (over(r) && seconds > abortedSeconds) return [];
  const f: Finding = { key: "release " + r.id, service: s.service, level: r.phase === "aborting" ? "warn" : "note", what: "", seconds, place: ["releases", s.service] };
  if (over(r)) return [{ ...f, what: `its release of version ${r.new} was aborted`, why: r.why, does: `version ${s.version} serves${s.version === r.old ? ", as before" : ""}` }];
  if (r.phase === "aborting") return [{ ...f, what: "its release is being aborted", why: r.why, does: standing(r) }];
  const verdict = r.verdict && r.waits !== "judge" && `the judge: ${r.verdict.decision}`;
  return [{ ...f, what: `is being released: ${standing(r)}`, why: waiting(r, now), does: verdict || undefined }];
}

// Afloat's own work should not wait for a processor longer than lagWarn seconds.
const [lagWarn, lagBad] = [0.25, 1];

function ofAfloat(live: Live): Finding[] {
  const st = live.status;
  const out: Finding[] = ofCertificates(live);
  const lag = st.gateway.lagSeconds;
  if (lag > lagWarn) out.push({ key: "lag", service: "", level: lag > lagBad ? "bad" : "warn", what: `Afloat waits ${latency(lag)} for a processor`, why: "the machine, or its share of it, is used up", does: "each request waits as long; latency that is measured has it in it" });
  if (st.config.refused) out.push({ key: "config", service: "", level: "warn", what: "the newest configuration was refused", why: st.config.refused, does: "the one before it is in force" });
  if (st.config.waiting?.length) out.push({ key: "waiting", service: "", level: "note", what: "changes of the configuration wait for a restart", why: st.config.waiting.join("; ") });
  const warnings = st.config.warnings ?? [];
  if (warnings.length) out.push({ key: "warnings", service: "", level: "note", what: `the configuration has ${plural(warnings.length, "warning")}`, why: warnings.slice(0, warningsShown).join("; "), does: warnings.length > warningsShown ? "afloat status has all of them" : undefined });
  if (st.gateway.memory.state !== "enough") out.push({ key: "memory", service: "", level: "bad", what: "memory is short", does: words(st.gateway.memory.state) });
  return out;
}

// warningsShown is how many of the configuration's are read out.
const warningsShown = 3;

// dueShare is the share of a certificate's life in which it should have been
// renewed.
const dueShare = 0.15;

function ofCertificates(live: Live): Finding[] {
  const now = Date.parse(live.time);
  return live.status.gateway.listeners.flatMap((l) =>
    (l.certificates ?? []).flatMap((c): Finding[] => {
      const end = Date.parse(c.notAfter);
      const one = { key: `certificate ${l.address} ${c.name}`, service: "" };
      if (end <= now) return [{ ...one, level: "bad", what: `the certificate of ${c.name} at ${l.address} has expired`, why: "clients that check it do not connect", seconds: (now - end) / 1000 }];
      if (end - now > dueShare * (end - Date.parse(c.notBefore))) return [];
      return [{ ...one, level: "warn", what: `the certificate of ${c.name} at ${l.address} expires in ${age((end - now) / 1000)}`, why: "it should have been renewed by now" }];
    }),
  );
}
