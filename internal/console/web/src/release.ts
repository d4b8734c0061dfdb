// How a release stands, in words.
import type { Decision, Release, Released, Step } from "./api";
import { byWeight, type Level } from "./findings";
import { age, left, percent, plural } from "./format";

export const over = (r: Release) => r.phase === "complete" || r.phase === "aborted";

export const strategies: Record<Release["strategy"], string> = { rolling: "rolling", blueGreen: "blue-green", canary: "canary" };

// An inconclusive judge says neither good nor bad.
export const decisionLevel: Record<Decision, Level> = { pass: "good", fail: "bad", inconclusive: "note" };

// levelOf is warn where somebody is waited for.
export function levelOf(r: Release): Level {
  if (r.phase === "complete") return "good";
  if (r.phase === "aborted" || r.phase === "aborting") return "bad";
  return r.waits === "gate" || r.waits === "resume" ? "warn" : "note";
}

// standing is how far it has come.
export function standing(r: Release): string {
  if (r.phase === "aborting") return "goes back to the old version";
  if (r.phase === "aborted") return "aborted";
  if (r.phase === "starting") return "the new version starts";
  if (r.phase === "promoting") return "grows to all requests";
  if (r.phase === "keeping") return "all requests go to the new version";
  if (r.phase === "retiring") return "the old version ends";
  if (r.phase === "before" || r.phase === "after") return `asks its hooks ${r.phase === "before" ? "before it begins" : "after all"}`;
  return r.at;
}

// waiting is what keeps it where it is, and how long yet.
export function waiting(r: Release, now: number): string {
  const until = r.until ? left((Date.parse(r.until) - now) / 1000) : "";
  switch (r.waits) {
    case "hooks":
      return "waits until its hooks say yes";
    case "replicas":
      return "waits for " + (r.sets.filter((s) => s.available !== s.wanted || s.stopping).map((s) => `the ${s.role === "baseline" ? "baseline's" : s.role + " version's"} replicas: ${s.available} of ${s.wanted} available${s.stopping ? `, ${s.stopping} end` : ""}`).join("; ") || "replicas");
    case "hold":
      return `holds for ${until} more`;
    case "judge":
      return "waits for the judge, who has not seen enough";
    case "gate":
      return "waits at a gate until somebody promotes it";
    case "resume":
      return r.why ?? "is paused";
    case "keep":
      return `keeps the old version for ${until} more`;
  }
  return r.phase === "complete" ? "" : (r.why ?? "");
}

// stepWords are what a step asks for.
export function stepWords(s: Step): string {
  const out = [];
  if (s.mirror) out.push(`copies of ${percent(s.mirror)}`);
  if (s.match) out.push("requests that match");
  if (s.weight) out.push(`weight ${percent(s.weight)}`);
  if (s.holdSeconds) out.push(`held for ${age(s.holdSeconds)}`);
  if (s.gate) out.push("a gate");
  return out.join(", ") || "until the judge is content";
}

export interface Stage {
  name: string;
  // stands is done, now, next, or left where the release was aborted.
  stands: "done" | "now" | "next" | "left";
}

// stages are all that the release goes through, with how far it has come.
export function stages(r: Release): Stage[] {
  const hooks = (at: string) => r.hooks?.some((h) => h.at === at);
  const all: { name: string; phase: string; step?: number }[] = [];
  if (hooks("before")) all.push({ name: "Hooks say yes", phase: "before" });
  if (r.strategy === "rolling") all.push({ name: "Replica by replica", phase: "rolling" });
  else {
    all.push({ name: "The new version starts", phase: "starting" });
    (r.plan ?? []).forEach((s, i) => all.push({ name: `Step ${i + 1}: ${stepWords(s)}`, phase: "stepping", step: i }));
    all.push({ name: "All requests", phase: "promoting" });
  }
  if (hooks("after")) all.push({ name: "Hooks say yes", phase: "after" });
  if (r.strategy !== "rolling") all.push({ name: r.keepSeconds ? `The old version is kept for ${age(r.keepSeconds)}, and ends` : "The old version ends", phase: "keeping" });
  let phase: string = r.phase === "aborted" || r.phase === "aborting" ? (r.leftAt ?? "") : r.phase;
  if (phase === "retiring") phase = r.strategy === "rolling" ? "rolling" : "keeping";
  if (phase === "stepping" && r.passed >= (r.plan?.length ?? 0)) phase = "promoting";
  const at = r.phase === "complete" ? all.length : all.findIndex((s) => s.phase === phase && (s.step === undefined || s.step === r.passed));
  const here = r.phase === "aborted" || r.phase === "aborting" ? "left" : "now";
  return all.map((s, i) => ({ name: s.name, stands: i < at ? "done" : i === at ? here : "next" }));
}

export type Act = "promote" | "finish" | "pause" | "resume" | "abort" | "undo";

export const acts: Record<Act, { name: string; danger?: boolean; says: (s: Released) => string }> = {
  promote: {
    name: "Promote",
    says: ({ release: r }) => {
      if (r?.phase === "keeping") return "The old version, which is kept, ends now: there will be no instant way back.";
      const next = r?.plan?.[r.passed + 1];
      return next ? `It passes the present step. The next one is: ${stepWords(next)}.` : "It passes the last step: the new version gets all requests.";
    },
  },
  finish: { name: "Promote to all", says: ({ release: r }) => `It passes ${plural((r?.plan?.length ?? 0) - (r?.passed ?? 0), "step")}: the new version grows to its full size and gets all requests. The judge goes on to watch.` },
  pause: { name: "Pause", says: () => "It stays where it is. The judge goes on to watch, and aborts it when it must." },
  resume: { name: "Resume", says: () => "It goes on from where it is." },
  abort: { name: "Abort", danger: true, says: ({ release: r }) => `All requests go to the old version ${r?.old} at once, and the new one ends.` },
  undo: { name: "Undo", danger: true, says: (s) => `${s.service} runs version ${s.version}, and goes back to ${s.previous} as soon as that has started.` },
};

// possible are the acts that make sense now.
export function possible(s: Released): Act[] {
  const r = s.release;
  if (!r || r.phase === "aborting" || r.phase === "aborted") return [];
  if (r.phase === "complete") return s.previous ? ["undo"] : [];
  const out: Act[] = [];
  if (r.phase === "stepping" || r.phase === "keeping") out.push("promote");
  if (r.phase === "starting" || r.phase === "stepping") out.push("finish");
  out.push(r.paused ? "resume" : "pause", "abort");
  return out;
}

// byUrgency sorts what is under way to the front, the worst first, and then the
// newest.
export function byUrgency(a: Released, b: Released): number {
  const rank = (s: Released) => (!s.release ? 2 : over(s.release) ? 1 : 0);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) === 0) return byWeight(levelOf(a.release!), levelOf(b.release!)) || a.service.localeCompare(b.service);
  return (b.release?.ended ?? "").localeCompare(a.release?.ended ?? "") || a.service.localeCompare(b.service);
}
