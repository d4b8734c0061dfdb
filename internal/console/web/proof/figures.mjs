// Measures the page with 200 endpoints on the stage: what it weighs, when its
// first paint is, and how long its frames take while data comes once a second.
import { openBrowser, Stage } from "./stage.mjs";

const stage = await Stage.open({ services: { web: 200 } });
const browser = await openBrowser();
const seconds = 30;
try {
  await new Promise((done) => setTimeout(done, 5000));
  let paints = [];
  let sent = 0;
  for (let i = 0; i < 5; i++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(stage.url);
    await page.getByRole("heading", { level: 1, name: "All is well" }).waitFor();
    const [paint, bytes] = await page.evaluate(() => [
      performance.getEntriesByName("first-contentful-paint")[0].startTime,
      performance.getEntriesByType("resource").filter((r) => /\.(js|css|svg)$/.test(r.name)).reduce((sum, r) => sum + r.encodedBodySize, 0) + performance.getEntriesByType("navigation")[0].encodedBodySize,
    ]);
    paints.push(paint);
    sent = bytes;
    await context.close();
  }
  paints = paints.sort((a, b) => a - b);
  console.log(`sent, gzipped: ${(sent / 1024).toFixed(1)} KB`);
  console.log(`first paint, median of 5: ${paints[2].toFixed(0)} ms (${paints.map((p) => p.toFixed(0)).join(", ")})`);
  const page = await browser.newPage({ viewport: { width: 1360, height: 900 } });
  await page.goto(`${stage.url}/#/service/web`);
  await page.locator(".endpoints tbody tr").nth(199).waitFor();
  await page.waitForTimeout(3000);
  // In the thread's own time, so that a busy machine does not count.
  const debug = await page.context().newCDPSession(page);
  await debug.send("Performance.enable", { timeDomain: "threadTicks" });
  const metrics = async () => Object.fromEntries((await debug.send("Performance.getMetrics")).metrics.map((m) => [m.name, m.value]));
  const was = await metrics();
  const { frames, long } = await page.evaluate(
    (seconds) =>
      new Promise((done) => {
        const frames = [];
        const long = [];
        new PerformanceObserver((list) => list.getEntries().forEach((e) => long.push(e.duration))).observe({ type: "longtask" });
        let last = performance.now();
        const end = last + seconds * 1000;
        const frame = (now) => {
          frames.push(now - last);
          last = now;
          if (now < end) requestAnimationFrame(frame);
          else done({ frames, long });
        };
        requestAnimationFrame(frame);
      }),
    seconds,
  );
  const now = await metrics();
  const each = (name) => ((1000 * (now[name] - was[name])) / seconds).toFixed(1);
  console.log(`of the page's thread, for each second of data: ${each("TaskDuration")} ms; script ${each("ScriptDuration")}, style ${each("RecalcStyleDuration")}, layout ${each("LayoutDuration")}`);
  const at = (all, share) => all.sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0;
  console.log(`frames in ${seconds} s with 200 endpoints: ${frames.length}; p50 ${at(frames, 0.5).toFixed(1)} ms, p99 ${at(frames, 0.99).toFixed(1)} ms, longest ${at(frames, 1).toFixed(1)} ms`);
  console.log(`tasks longer than 50 ms: ${long.length}, longest ${Math.max(0, ...long).toFixed(0)} ms`);
} finally {
  await browser.close();
  await stage.close();
}
