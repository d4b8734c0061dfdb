// Why something is wrong, probably: the endpoint that stands out, and what was
// changed just before; and what Afloat does about it.
import type { Endpoint, Entry, Live, Service } from "./api";
import { able } from "./findings";
import { age, latency, percent, words } from "./format";
import { recent, type Trace } from "./live";

export type Traces = Map<string, Trace>;

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;

interface Figures {
  e: Endpoint;
  traffic: number;
  failed: number;
}

function figures(s: Service, traces: Traces): Figures[] {
  return able(s).map((e) => {
    const t = traces.get(`${s.name} ${e.address}`);
    const traffic = recent(t?.rate, 10);
    return { e, traffic, failed: traffic > 0 ? Math.min(1, recent(t?.failed, 10) / traffic) : 0 };
  });
}

// failingOne is the endpoint that fails more than the others, or what all that
// fail say.
export function failingOne(s: Service, traces: Traces): string {
  const all = figures(s, traces).sort((a, b) => b.failed - a.failed);
  const [worst, ...others] = all;
  if (!worst || worst.failed < 0.005) return "";
  const rest = median(others.map((o) => o.failed));
  const said = worst.e.lastError ? `, last with: ${worst.e.lastError}` : "";
  if (others.length === 0) return worst.e.lastError ? `its endpoint says: ${worst.e.lastError}` : "";
  if (worst.failed > 3 * rest) return `${worst.e.address} fails ${percent(worst.failed)} of its tries, the others ${percent(rest)}${said}`;
  return `its endpoints fail alike${said}`;
}

// slowOne is the endpoint that takes much longer than the others.
export function slowOne(s: Service): string {
  const all = able(s).sort((a, b) => b.latencySeconds - a.latencySeconds);
  const [worst, ...others] = all;
  if (!worst || others.length === 0) return "";
  const rest = median(others.map((e) => e.latencySeconds));
  return worst.latencySeconds > 3 * rest ? `${worst.address} answers in ${latency(worst.latencySeconds)}, the others in ${latency(rest)}` : `its endpoints are slow alike`;
}

// A change counts as a cause up to so many ms before, and a moment after what it
// caused, which begins before it is seen.
const [before, after] = [30 * 60_000, 2000];

// changedBefore says what was changed before a service went wrong, the latest
// first.
export function changedBefore(live: Live, service: string, since?: string): string {
  if (!since) return "";
  const at = Date.parse(since);
  const about = (e: Entry) => !e.subject || e.subject === service || e.subject.startsWith(service + "/");
  const found = live.changes.filter((e) => about(e) && Date.parse(e.time) <= at + after && Date.parse(e.time) > at - before);
  const told = found.slice(-2).reverse();
  if (told.length === 0) return "";
  return "before: " + told.map((e) => `${e.what || e.kind}${e.who && !parts.includes(e.who) ? ` by ${e.who}` : ""}${e.why ? ` (${e.why})` : ""} ${age((Date.parse(live.time) - Date.parse(e.time)) / 1000)} ago`).join("; ");
}

const parts = ["gateway", "supervisor", "afloat"];

// doing is what Afloat does about a service that fails or is slow.
export function doing(s: Service): string {
  const out = s.endpoints.filter((e) => e.state === "down" || e.state === "ejected").length;
  const probing = s.endpoints.filter((e) => e.state === "probing").length;
  const says = [];
  if (out) says.push(`${out} of ${s.endpoints.length} endpoints get no requests until they are well`);
  if (probing) says.push(`${probing === 1 ? "one is" : `${probing} are`} probed`);
  if (s.brownout !== "none") says.push(`requests are refused by priority: ${words(s.brownout)}`);
  if (s.queued) says.push(`${s.queued} wait for a place`);
  if (says.length === 0) says.push("breakers and outlier ejection watch each endpoint; none is so much worse than the others that it is taken out");
  return says.join("; ");
}
