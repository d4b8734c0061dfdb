// What happened, newest first.
import type { Entry, Event } from "./api";
import type { Level } from "./findings";
import { clock, day } from "./format";
import { Empty, Mark } from "./parts";

const levelOf = (l?: string): Level => (l === "good" || l === "bad" ? l : "note");

interface Item {
  key: string;
  time: string;
  level?: string;
  what: string;
  subject: string;
  who?: string;
  why?: string;
  times: number;
}

// grouped joins what happened to many parts of a service at once, such as when
// its endpoints come.
function grouped(items: Item[]): Item[] {
  const out: Item[] = [];
  for (const item of items) {
    const last = out.at(-1);
    const service = (i: Item) => i.subject.split(/[ /]\d/)[0];
    if (last && last.what === item.what && service(last) === service(item) && last.why === item.why && Math.abs(Date.parse(last.time) - Date.parse(item.time)) < 5000) {
      last.times++;
      last.subject = service(last);
    } else out.push({ ...item });
  }
  return out;
}

function Timeline({ items }: { items: Item[] }) {
  const today = day(Date.now());
  return (
    <ol class="timeline">
      {grouped(items).map((i) => (
        <li key={i.key}>
          <time dateTime={i.time}>
            {day(i.time) !== today && day(i.time) + " "}
            {clock(i.time)}
          </time>
          <Mark level={levelOf(i.level)} />
          <p>
            <strong>{i.what}</strong> <span class="subject">{i.subject}</span>
            {i.times > 1 && <span class="who">{i.times} times</span>}
            {i.who && <span class="who">{i.who}</span>}
            {i.why && <span class="why">{i.why}</span>}
          </p>
        </li>
      ))}
    </ol>
  );
}

export function Events({ events, most = 12 }: { events: Event[]; most?: number }) {
  if (events.length === 0) return <Empty title="Nothing has happened yet" />;
  return <Timeline items={events.map((e) => ({ ...e, key: e.time + e.what + e.who, subject: e.who ?? "", who: undefined, times: 1 })).slice(0, most)} />;
}

// parts of Afloat that need no mention: what they do is its daily work.
const parts = ["gateway", "supervisor", "afloat"];

export function Entries({ entries }: { entries: Entry[] }) {
  return <Timeline items={entries.map((e) => ({ ...e, key: String(e.id), what: e.what || e.kind, subject: e.subject ?? "", who: e.who && !parts.includes(e.who) ? e.who : undefined, times: 1 }))} />;
}
