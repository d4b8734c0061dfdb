// What a query in PromQL finds over a time, in even steps.
import { get } from "./api";

interface Matrix {
  data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
}

export interface Found {
  metric: Record<string, string>;
  // values has one for each step, null where there is none.
  values: (number | null)[];
}

// stepsMax is about how many steps a plot has.
const stepsMax = 300;

export const stepOf = (seconds: number) => Math.max(1, Math.ceil(seconds / stepsMax));

export async function askRange(query: string, start: number, end: number): Promise<{ time: number[]; found: Found[] }> {
  const step = stepOf(end - start);
  const parameters = new URLSearchParams({ query, start: String(start), end: String(end), step: String(step) });
  const { data } = await get<Matrix>(`/prometheus/api/v1/query_range?${parameters}`);
  const time: number[] = [];
  for (let t = start; t <= end; t += step) time.push(t);
  return {
    time,
    found: data.result.map((r) => {
      const by = new Map(r.values.map(([t, v]) => [Math.round(t), Number(v)]));
      return { metric: r.metric, values: time.map((t) => finite(by.get(t))) };
    }),
  };
}

const finite = (v?: number) => (v !== undefined && Number.isFinite(v) ? v : null);
