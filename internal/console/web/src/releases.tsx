// Releases: the last one of each service, those under way first.
import type { Release, Released } from "./api";
import { age, percent, plural, since } from "./format";
import { store, useLive } from "./live";
import { Bar, Empty, Mark, Panel } from "./parts";
import { byUrgency, levelOf, over, standing, strategies, waiting } from "./release";
import { to } from "./route";

export function Releases() {
  const { live } = useLive();
  const all = [...(live!.releases ?? [])].sort(byUrgency);
  const under = all.filter((s) => s.release && !over(s.release));
  const level = under.some((s) => levelOf(s.release!) === "bad") ? "bad" : under.some((s) => levelOf(s.release!) === "warn") ? "warn" : under.length ? "note" : "good";
  return (
    <>
      <h1 class="headline">
        <Mark level={level} /> {under.length ? `${plural(under.length, "release")} under way` : "No release is under way"}
      </h1>
      {all.length === 0 ? (
        <Empty title="No service is released here">
          A service whose process Afloat runs is released when that changes, in the way that its <code>release</code> in afloat.yaml says, or by <code>afloat rollout start</code>.
        </Empty>
      ) : (
        <Panel title="The last release of each service">
          <div class="scroll" tabIndex={0} role="region" aria-label="Releases">
            <table class="rows">
              <thead>
                <tr>
                  <th>Service</th>
                  <th>State</th>
                  <th>Weight</th>
                  <th>Strategy</th>
                  <th>Version</th>
                  <th class="n">Since</th>
                  <th>By</th>
                  <th>Why</th>
                </tr>
              </thead>
              <tbody>
                {all.map((s) => (
                  <Row key={s.service} s={s} />
                ))}
              </tbody>
            </table>
          </div>
        </Panel>
      )}
    </>
  );
}

function Row({ s }: { s: Released }) {
  const r = s.release;
  return (
    <tr>
      <th scope="row">
        {r && <Mark level={levelOf(r)} said />} <a href={to("releases", s.service)}>{s.service}</a>
      </th>
      {r ? (
        <>
          <td>
            {standing(r)}
            {r.paused && ", paused"}
          </td>
          <td>
            <Weight r={r} />
          </td>
          <td>{strategies[r.strategy]}</td>
          <td>
            <code>{r.old}</code> → <code>{r.new}</code>
          </td>
          <td class="n dim">{age(since(r.ended ?? r.since, store.now()))}</td>
          <td>{r.who}</td>
          <td class="reason">
            <span>{waiting(r, store.now())}</span>
          </td>
        </>
      ) : (
        <>
          <td class="dim">nothing released yet</td>
          <td>–</td>
          <td>–</td>
          <td>
            <code>{s.version}</code>
          </td>
          <td class="n">–</td>
          <td>–</td>
          <td />
        </>
      )}
    </tr>
  );
}

export function Weight({ r }: { r: Release }) {
  return (
    <>
      <Bar share={r.weight} label={`The new version gets ${percent(r.weight)} of the requests`} /> <span class="dim">{percent(r.weight)}</span>
    </>
  );
}

// ReleaseOf is a service's release in a line or two, for other screens.
export function ReleaseOf({ s }: { s: Released }) {
  const r = s.release;
  return (
    <Panel title="Release" aside={<a href={to("releases", s.service)}>All of it</a>}>
      {r ? (
        <dl class="policies">
          <div>
            <dt>{over(r) ? "The last one" : "Under way"}</dt>
            <dd>
              <Mark level={levelOf(r)} said /> {standing(r)}
              <small>{waiting(r, store.now())}</small>
            </dd>
          </div>
          <div>
            <dt>Version</dt>
            <dd>
              <code>{r.old}</code> → <code>{r.new}</code>
              <small>
                {strategies[r.strategy]}, by {r.who}, {over(r) ? `ended ${age(since(r.ended!, store.now()))} ago` : `begun ${age(since(r.began, store.now()))} ago`}
              </small>
            </dd>
          </div>
          {!over(r) && (
            <div>
              <dt>Weight</dt>
              <dd>
                <Weight r={r} />
              </dd>
            </div>
          )}
        </dl>
      ) : (
        <Empty title="Nothing has been released yet">It runs version {s.version}.</Empty>
      )}
    </Panel>
  );
}
