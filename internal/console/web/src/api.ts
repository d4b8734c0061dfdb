// What the API says, as far as the page uses it; openapi.json has all of it.
import type { OpenAlert } from "./alerts";

export interface Signals {
  service: string;
  seconds: number;
  requests: number;
  rate: number;
  failed: number;
  failedShare: number;
  p50Seconds: number;
  p95Seconds: number;
  p99Seconds: number;
  inFlight: number;
  limit: number;
  queued: number;
  saturation: number;
  failingSince?: string;
  slowSince?: string;
  usualP99Seconds?: number;
}

export interface History {
  service: string;
  end: string;
  rate: number[];
  failedShare: number[];
  p99Seconds: number[];
  saturation: number[];
}

export type LeverKind = "drain" | "isolate" | "weight";

export interface Lever {
  service: string;
  endpoint: string;
  kind: LeverKind;
  weight?: number;
  why: string;
  who?: string;
  since: string;
}

export interface Endpoint {
  address: string;
  state: string;
  why?: string;
  sinceSeconds: number;
  breaker: string;
  retryAfterSeconds?: number;
  inFlight: number;
  idleConnections: number;
  requests: number;
  failures: number;
  latencySeconds: number;
  lastError?: string;
  weight?: number;
  zone?: string;
  priority?: number;
  share: number;
  levers?: Lever[];
}

export interface Service {
  name: string;
  inFlight: number;
  limit: number;
  queued: number;
  limitWhy?: string;
  shed: number;
  streams?: number;
  held?: number;
  retry?: Retry;
  brownout: string;
  browned: number;
  hedge?: { started: number; won: number; refused: number };
  endpoints: Endpoint[];
}

// Retry is what was repeated, and what may be now.
export interface Retry {
  repeated: number;
  refused: number;
  left: number;
  spent: number;
  unbounded?: boolean;
}

export interface Route {
  name: string;
  to: { service: string; labels?: Record<string, string>; share: number; retry?: Retry }[] | null;
  fallback?: { service?: string; status?: number; used: number };
  requests: number;
  limited: number;
  denied?: number;
  cache?: { entries: number; bytes: number; hits: number; stale: number; misses: number; collapsed: number };
  limits?: { by?: string; keys: number; rejected: number }[] | null;
  mirrors?: { service: string; sent: number; dropped: number; inFlight: number }[] | null;
}

export interface Replica {
  id: number;
  pid?: number;
  ports: { declared: number; addr: string }[] | null;
  phase: string;
  since: string;
  restarts: number;
  lastExit?: string;
  why?: string;
  nextTry?: string;
  revision: string;
}

// Processes are a set of replicas: of a service, or of one of its versions while
// it is released.
export interface Processes {
  name: string;
  service: string;
  version?: string;
  desired: number;
  ready: number;
  rollout: string;
  rolloutWhy?: string;
  replicas: Replica[] | null;
}

export interface Event {
  time: string;
  level: "good" | "note" | "bad";
  what: string;
  who?: string;
  why?: string;
}

export interface Fault {
  route: string;
  injected: boolean;
  over: boolean;
  ends?: string;
  delayed: number;
  aborted: number;
  closed: number;
  reset: number;
  slowed: number;
}

export interface Status {
  version: string;
  pid: number;
  startedAt: string;
  uptimeSeconds: number;
  config: { files: string[] | null; appliedAt: string; refusedAt?: string; refused?: string; waiting?: string[]; warnings?: string[] };
  signals: Signals[];
  gateway: {
    listeners: { address: string; connections: number; draining?: boolean; tcp?: string[]; certificates?: { name: string; notBefore: string; notAfter: string }[] }[];
    services: Service[];
    routes: Route[];
    memory: { limitBytes: number; state: string; refused: number };
    lagSeconds: number;
  };
  processes: Processes[] | null;
  events: Event[] | null;
}

export interface Live {
  time: string;
  status: Status;
  seconds: History[];
  faults: Fault[];
  alerts: OpenAlert[];
  changes: Entry[];
  releases: Released[] | null;
  journal: number;
}

// Released is a service and its last release.
export interface Released {
  service: string;
  version: string;
  previous?: string;
  release?: Release;
}

export type Phase = "before" | "starting" | "stepping" | "rolling" | "promoting" | "after" | "keeping" | "retiring" | "complete" | "aborting" | "aborted";

export interface Release {
  id: string;
  strategy: "rolling" | "blueGreen" | "canary";
  who: string;
  old: string;
  new: string;
  phase: Phase;
  at: string;
  why?: string;
  paused?: boolean;
  began: string;
  since: string;
  ended?: string;
  leftAt?: Phase;
  waits?: "hooks" | "replicas" | "hold" | "judge" | "gate" | "resume" | "keep";
  until?: string;
  weight: number;
  sets: { role: "old" | "new" | "baseline"; version: string; wanted: number; available: number; stopping?: number; crashes?: number; why?: string }[];
  plan?: Step[];
  passed: number;
  keepSeconds?: number;
  hooks?: Hook[];
  judged?: boolean;
  verdict?: Verdict;
  history?: Point[];
}

export interface Step {
  mirror?: number;
  weight?: number;
  match?: boolean;
  holdSeconds?: number;
  gate?: boolean;
}

export interface Hook {
  at: "before" | "during" | "after";
  url: string;
  yes: boolean;
  running?: boolean;
  calls: number;
  failures?: number;
  failuresMax?: number;
  lastAt?: string;
  why?: string;
}

export type Decision = "pass" | "fail" | "inconclusive";

export interface Check {
  name: string;
  decision: Decision;
  why: string;
  canary: number;
  baseline: number;
  allowed?: number;
  p?: number;
  below?: number;
}

interface Counts {
  requests: number;
  errors: number;
}

export interface Verdict {
  decision: Decision;
  why: string;
  checks: Check[];
  // course is how the checks of counts went, over the requests.
  course?: { canary: Counts; baseline: Counts; p: number; objective: number; inRow: number }[];
}

// Point is a moment of a release; its counts grow.
export interface Point {
  time: string;
  weight: number;
  newRequests: number;
  newErrors: number;
  oldRequests: number;
  oldErrors: number;
  checks?: { name: string; canary: number; baseline: number; allowed?: number; p?: number }[];
}

export interface Session {
  role?: "reader" | "operator";
  name?: string;
  methods: string[];
}

export interface Entry {
  id: number;
  time: string;
  kind: string;
  level?: "good" | "note" | "bad";
  who?: string;
  subject?: string;
  what?: string;
  why?: string;
  detail?: unknown;
}

// Refusal is an answer that is none: the API says why in plain text.
export class Refusal extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(text || `the answer was ${status}`);
  }
}

// refused is told when the API no longer knows who asks.
export const refused = { tell: () => {} };

// call asks the API and reads JSON. Nothing waits longer than 15 s.
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    credentials: "same-origin",
    signal: AbortSignal.timeout(15_000),
  });
  if (response.status === 401) refused.tell();
  if (!response.ok) throw new Refusal(response.status, (await response.text()).trim());
  if (response.status === 204) return undefined as T;
  return response.json() as Promise<T>;
}

export const get = <T>(path: string) => call<T>("GET", path);

export function leverPath(service: string, endpoint: string, kind: LeverKind): string {
  return `/api/v1/services/${encodeURIComponent(service)}/endpoints/${encodeURIComponent(endpoint)}/${kind}`;
}
