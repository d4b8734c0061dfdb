// Explore: a query in PromQL, completed while one writes, and its plot.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, Refusal } from "./api";
import { rate } from "./format";
import { Empty, Panel, useAsked } from "./parts";
import { Legend, Plot, type Line } from "./plot";
import { askRange } from "./range";
import { to } from "./route";

const base = "/prometheus/api/v1/";

const functions = "rate increase irate delta sum avg min max count topk bottomk histogram_quantile sum_over_time avg_over_time max_over_time min_over_time quantile label_replace clamp_max clamp_min absent by without".split(" ");

const spans: [string, number][] = [
  ["5 min", 300],
  ["15 min", 900],
  ["1 h", 3600],
  ["6 h", 21600],
  ["24 h", 86400],
];

const examples: [string, string][] = [
  ["Requests a second, by service", "sum by (service) (rate(afloat_requests_total[15s]))"],
  ["Tries at each endpoint", "sum by (service, endpoint) (rate(afloat_upstream_tries_total[15s]))"],
  ["Endpoints that are up", "sum by (service) (afloat_endpoint_up)"],
];

const colors = ["accent", "teal", "violet", "warn", "bad", "good"];
// linesMax bounds the lines of a plot.
const linesMax = 30;

export function Explore({ first }: { first: string }) {
  const [text, setText] = useState(first || examples[0][1]);
  const [query, setQuery] = useState(first || examples[0][1]);
  const [span, setSpan] = useState(300);
  const names = useAsked(() => get<{ data: string[] }>(base + "label/__name__/values"), 0, "names");
  const missing = names.error instanceof Refusal && (names.error.status === 404 || names.error.status === 503);
  if (missing)
    return (
      <>
        <h1 class="headline">Explore</h1>
        <Empty title="No metrics are kept here">
          Queries need Afloat's own store of metrics, which is off. Live figures are on the <a href="#/">overview</a>, and any Prometheus can collect <code>/metrics</code>.
        </Empty>
      </>
    );
  const run = () => {
    setQuery(text.trim());
    history.replaceState(null, "", to("explore", text.trim()));
  };
  return (
    <>
      <h1 class="headline">
        Explore <small>PromQL over what Afloat has measured</small>
      </h1>
      <Panel>
        <form class="query" onSubmit={(e) => (e.preventDefault(), run())}>
          <Editor text={text} set={setText} run={run} names={names.value?.data ?? []} />
          <select aria-label="How far back" value={span} onChange={(e) => setSpan(Number(e.currentTarget.value))}>
            {spans.map(([name, seconds]) => (
              <option key={name} value={seconds}>
                {name}
              </option>
            ))}
          </select>
          <button class="primary">Run</button>
        </form>
        <p class="examples">
          {examples.map(([name, q]) => (
            <button key={name} class="quiet" onClick={() => (setText(q), setQuery(q))}>
              {name}
            </button>
          ))}
        </p>
        <Result query={query} span={span} />
      </Panel>
    </>
  );
}

function Result({ query, span }: { query: string; span: number }) {
  const ask = () => {
    const end = Math.floor(Date.now() / 1000);
    return askRange(query, end - span, end);
  };
  const { value, error } = useAsked(ask, span <= 900 ? 2000 : 15_000, query + span);
  if (error)
    return (
      <p class="problem" role="alert">
        {readable(error)}
      </p>
    );
  if (!value) return <Empty title="Asking…" />;
  const { time, found } = value;
  if (found.length === 0) return <Empty title="Nothing was measured that this query picks">Look at the names of metrics that the field proposes, or further back.</Empty>;
  const lines: Line[] = found.slice(0, linesMax).map((r, i) => ({ label: nameOf(r.metric), color: colors[i % colors.length], values: r.values }));
  return (
    <>
      <Plot time={time} lines={lines} format={figure} label={query} height={300} />
      <Legend lines={lines} />
      {found.length > linesMax && <p class="dim">{found.length - linesMax} more are not drawn; narrow the query.</p>}
    </>
  );
}

const figure = (v: number) => (v !== 0 && Math.abs(v) < 0.01 ? v.toExponential(1) : rate(v));

const nameOf = (metric: Record<string, string>) => {
  const { __name__: name = "", ...labels } = metric;
  const text = Object.entries(labels)
    .map(([k, v]) => `${k}=${v}`)
    .join(" ");
  return [name, text].filter(Boolean).join(" ") || "value";
};

// readable is what Prometheus' API says of an error, without its JSON.
function readable(error: Error): string {
  try {
    return (JSON.parse(error.message) as { error: string }).error;
  } catch {
    return error.message;
  }
}

interface Place {
  word: string; // what is written of the name so far
  path?: string; // where the names are asked for; without it they are those of metrics and functions
  value?: boolean; // it stands between quotes
}

// placeOf is what the end of a text is about to name: a metric or a function,
// a label between braces or after by, or a label's value.
function placeOf(before: string): Place {
  const braces = /(?:([a-zA-Z_:][\w:]*)\s*)?\{([^{}]*)$/.exec(before);
  const of = braces?.[1] ? `?match[]=${encodeURIComponent(braces[1])}` : "";
  if (braces) {
    const value = /([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"([^"]*)$/.exec(braces[2]);
    if (value) return { word: value[2], path: `label/${value[1]}/values${of}`, value: true };
    const label = /(?:^|,)\s*([a-zA-Z_]\w*|)$/.exec(braces[2]);
    return label ? { word: label[1], path: "labels" + of } : { word: "", value: true };
  }
  const list = /\b(?:by|without|on|ignoring|group_left|group_right)\s*\((?:[\s\w]*,)*\s*(\w*)$/.exec(before);
  if (list) return { word: list[1], path: "labels" };
  return { word: /[a-zA-Z_:][\w:]*$/.exec(before)?.[0] ?? "" };
}

// Editor is a field that proposes names of metrics, functions and labels, and
// values of labels.
function Editor({ text, set, run, names }: { text: string; set: (t: string) => void; run: () => void; names: string[] }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [chosen, choose] = useState(0);
  const [open, setOpen] = useState(false);
  const at = field.current?.selectionStart ?? text.length;
  const { word, path, value } = placeOf(text.slice(0, at));
  const asked = useAsked(async () => (path ? await get<{ data: string[] }>(base + path) : { data: [] }), 0, path ?? "");
  const known = path ? (asked.value?.data ?? []) : value ? [] : [...functions, ...names];
  const found =
    open && (path || word.length > 1)
      ? known
          .filter((n) => n.includes(word) && n !== word && n !== "__name__")
          .sort((a, b) => Number(b.startsWith(word)) - Number(a.startsWith(word)))
          .slice(0, 8)
      : [];
  useEffect(() => choose(0), [word, path]);
  const take = (name: string) => {
    const begin = at - word.length;
    if (value) name = name.replace(/["\\]/g, "\\$&") + (text[at] === '"' ? "" : '"');
    const next = text.slice(0, begin) + name + text.slice(at);
    set(next);
    setOpen(false);
    const f = field.current!; // at once: what is typed before the next frame follows the name
    f.value = next;
    f.focus();
    f.setSelectionRange(begin + name.length, begin + name.length);
  };
  const pressed = (e: KeyboardEvent) => {
    if (found.length > 0) {
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        choose((chosen + (e.key === "ArrowDown" ? 1 : found.length - 1)) % found.length);
        return;
      }
      if (e.key === "Tab" || (e.key === "Enter" && !e.ctrlKey)) {
        e.preventDefault();
        take(found[chosen]);
        return;
      }
      if (e.key === "Escape") return setOpen(false);
    }
    if (e.key === "Enter" && !e.shiftKey) {
      e.preventDefault();
      run();
    }
  };
  return (
    <div class="editor">
      <textarea
        ref={field}
        data-search
        rows={2}
        spellcheck={false}
        aria-label="Query in PromQL"
        aria-autocomplete="list"
        aria-controls="proposals"
        aria-activedescendant={found.length ? `proposal-${chosen}` : undefined}
        value={text}
        onInput={(e) => (set(e.currentTarget.value), setOpen(true))}
        onKeyDown={pressed}
        onBlur={() => setOpen(false)}
      />
      <ul id="proposals" role="listbox" aria-label="Proposals" hidden={found.length === 0}>
        {found.map((name, i) => (
          <li key={name} id={`proposal-${i}`} role="option" aria-selected={i === chosen} onMouseDown={(e) => (e.preventDefault(), take(name))}>
            {name}
          </li>
        ))}
      </ul>
    </div>
  );
}
