// What is live: one stream of server-sent events, the histories that grow from
// it, and whether the connection stands.
import { useEffect, useReducer } from "preact/hooks";
import { get, refused, type Endpoint, type History, type Live } from "./api";

// Series is a figure second by second; times are in seconds since 1970.
export interface Series {
  time: number[];
  rate: number[];
  failed: number[];
  p99: number[];
  saturation: number[];
}

// Trace is what is known of an endpoint over the last two minutes.
export interface Trace {
  time: number[];
  rate: number[];
  failed: number[];
  latency: (number | null)[];
  requests: number;
  failures: number;
}

export type Phase = "connecting" | "live" | "lost" | "login";

const secondsKept = 300;
const traceKept = 120;
const tracesMax = 2000;
// The server tells something each second; after so long the connection counts
// as lost, although nobody has said so.
const silenceMax = 4000;

class Store {
  live?: Live;
  phase: Phase = "connecting";
  heardAt = 0;
  series = new Map<string, Series>();
  traces = new Map<string, Trace>();
  private readers = new Set<() => void>();
  private source?: EventSource;
  private watchdog = 0;
  private retry = 0;

  start() {
    refused.tell = () => void this.ask();
    this.open();
    this.watchdog ||= window.setInterval(() => {
      if (this.phase === "live" && performance.now() - this.heardAt > silenceMax) this.lose();
    }, 500);
    // A browser lets the connections of a page that sleeps die.
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.phase === "lost") this.open();
    });
  }

  read(reader: () => void): () => void {
    this.readers.add(reader);
    return () => this.readers.delete(reader);
  }

  // open begins anew: what was missed meanwhile is asked for.
  open() {
    window.clearTimeout(this.retry);
    this.source?.close();
    const source = new EventSource("/api/v1/stream");
    this.source = source;
    source.addEventListener("open", () => void this.remember());
    source.addEventListener("live", (e) => this.take(JSON.parse((e as MessageEvent<string>).data) as Live));
    source.addEventListener("error", () => this.lose());
  }

  private lose() {
    this.source?.close();
    if (this.phase === "login") return;
    this.phase = this.live ? "lost" : "connecting";
    this.tell();
    window.clearTimeout(this.retry);
    this.retry = window.setTimeout(() => this.open(), 1000);
    void this.ask();
  }

  // ask finds out whether one has to log in: at first, after a restart, which
  // knows no browser, and when the time of a session is up.
  private async ask() {
    try {
      const s = await get<{ role?: string }>("/api/v1/session");
      if (!s.role) {
        this.phase = "login";
        window.clearTimeout(this.retry);
        this.source?.close();
        this.tell();
      }
    } catch {
      // It is down; the next try will tell.
    }
  }

  loggedIn() {
    this.phase = "connecting";
    this.open();
    this.tell();
  }

  private async remember() {
    try {
      const all = await get<History[]>("/api/v1/history");
      this.series.clear(); // what has come meanwhile is part of it, or of the next frame
      for (const h of all) this.add(h);
    } catch {
      // The seconds of the stream fill it up.
    }
  }

  private take(live: Live) {
    const restarted = this.live && this.live.status.startedAt !== live.status.startedAt;
    if (restarted) {
      this.series.clear();
      this.traces.clear();
    }
    const took = this.live ? (Date.parse(live.time) - Date.parse(this.live.time)) / 1000 : 0;
    this.live = live;
    this.phase = "live";
    this.heardAt = performance.now();
    for (const h of live.seconds) this.add(h);
    for (const s of live.status.gateway.services) for (const e of s.endpoints) this.trace(`${s.name} ${e.address}`, e, live, took);
    this.tell();
  }

  // add joins seconds to a series; those that it has are not new.
  private add(h: History) {
    let s = this.series.get(h.service);
    if (!s) this.series.set(h.service, (s = { time: [], rate: [], failed: [], p99: [], saturation: [] }));
    const n = h.rate?.length ?? 0;
    const end = Date.parse(h.end) / 1000;
    for (let i = 0; i < n; i++) {
      const t = Math.round(end - (n - 1 - i));
      if (t <= (s.time.at(-1) ?? 0)) continue;
      s.time.push(t);
      s.rate.push(h.rate[i]);
      s.failed.push(h.failedShare[i]);
      s.p99.push(h.p99Seconds[i]);
      s.saturation.push(h.saturation[i]);
    }
    const over = s.time.length - secondsKept;
    if (over > 0) for (const a of [s.time, s.rate, s.failed, s.p99, s.saturation]) a.splice(0, over);
  }

  private trace(key: string, e: Endpoint, live: Live, took: number) {
    let t = this.traces.get(key);
    if (!t) {
      if (this.traces.size >= tracesMax) return;
      this.traces.set(key, (t = { time: [], rate: [], failed: [], latency: [], requests: e.requests, failures: e.failures }));
      return;
    }
    if (took <= 0) return;
    const requests = Math.max(0, e.requests - t.requests);
    t.time.push(Date.parse(live.time) / 1000);
    t.rate.push(requests / took);
    t.failed.push(Math.max(0, e.failures - t.failures) / took);
    t.latency.push(requests > 0 ? e.latencySeconds : null);
    t.requests = e.requests;
    t.failures = e.failures;
    if (t.time.length > traceKept) for (const a of [t.time, t.rate, t.failed, t.latency]) a.shift();
  }

  // now is the server's time, so that ages are right on any machine.
  now(): number {
    if (!this.live) return Date.now();
    return Date.parse(this.live.time) + (performance.now() - this.heardAt);
  }

  private tell() {
    for (const reader of this.readers) reader();
  }
}

export const store = new Store();

// useLive draws again with each frame.
export function useLive(): Store {
  const [, again] = useReducer((n: number, _: void) => n + 1, 0);
  useEffect(() => store.read(() => again()), []);
  return store;
}

// recent is the mean of a trace's last seconds.
export function recent(values: (number | null)[] | undefined, n = 5): number {
  const last = (values ?? []).slice(-n).filter((v): v is number => v !== null);
  return last.length ? last.reduce((a, b) => a + b, 0) / last.length : 0;
}
