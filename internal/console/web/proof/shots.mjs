// Takes a picture of every screen, dark and light, wide and at phone width, while
// an endpoint is dead and another one drained, and while one release waits at a
// gate and another one has been taken back: npm run shots.
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { createServer } from "node:http";
import { openBrowser, openPage, Stage, until } from "./stage.mjs";

const out = new URL("../shots/", import.meta.url).pathname;
mkdirSync(out, { recursive: true });

const hook = createServer((_, answer) => answer.end()).listen(0, "127.0.0.1");
await once(hook, "listening");
const hooks = ["before", "during", "after"].map((at) => `{at: ${at}, url: "http://127.0.0.1:${hook.address().port}/${at}"}`);
const judge = "judge: {requestsMin: 20, latency: [{of: 0.5}, {of: 0.9, tolerance: 3}]}";
const released = {
  shop: `{steps: [{mirror: 20%, hold: 3s}, {weight: 20%, hold: 20s}, {weight: 50%, gate: true}], hooks: [${hooks}], ${judge}}`,
  pay: `{steps: [{weight: 25%, hold: 1m}, {weight: 50%, hold: 1h}], ${judge}}`,
  news: "{strategy: rolling}",
  user: `{steps: [{weight: 5%, hold: 1h}]}`,
};
const front = "  - {name: front, match: [{path: {prefix: /}}], rewrite: {prefix: /}, to: [{service: mail}], fallback: {service: cart}, mirror: [{service: stock}]}\n";
const stage = await Stage.open({ services: { web: 4, cart: 2, stock: 3, search: 200, mail: 1 }, released, rate: 6, config: front + "slo: {web: 99.9%, mail: 99.5%, cart: 99%}\n" });
const browser = await openBrowser();
const asking = setInterval(() => void fetch(stage.traffic + "/").then((r) => r.text(), () => {}), 100);
try {
  await new Promise((done) => setTimeout(done, 5_000));
  for (const name of ["shop", "news", "user"]) await stage.release(name, "v2");
  await new Promise((done) => setTimeout(done, 12_000));
  await stage.release("pay", "v2", { errors: 0.2, time: 6 });
  await new Promise((done) => setTimeout(done, 15_000));
  await stage.kill("web 1");
  await stage.kill("mail 0");
  await stage.get(`/api/v1/services/stock/endpoints/${stage.endpoints.stock[2]}/drain`, { method: "PUT", body: JSON.stringify({ why: "new disk", who: "ada" }) });
  await until("it is down", async () => (await stage.endpoint("web", stage.endpoints.web[1])).state === "down");
  await until("an incident is open", async () => (await stage.get("/api/v1/incidents").then((r) => r.json())).length > 0);
  await new Promise((done) => setTimeout(done, 8_000));
  const screens = { overview: "", topology: "topology", service: "service/web", many: "service/search", releases: "releases", release: "releases/shop", aborted: "releases/pay", released: "service/shop", alerts: "alerts", incidents: "incidents", objectives: "objectives", explore: "explore" };
  const looks = { light: { dark: false }, dark: { dark: true }, phone: { dark: true, width: 390, height: 844 } };
  for (const [look, how] of Object.entries(looks)) {
    const page = await openPage(browser, stage.url, how);
    for (const [name, path] of Object.entries(screens)) {
      await page.evaluate((path) => void (location.hash = "#/" + path), path);
      await page.waitForTimeout(2500);
      await page.screenshot({ path: `${out}${name}-${look}.png`, fullPage: name !== "many" });
    }
    const [incident] = await stage.get("/api/v1/incidents").then((r) => r.json());
    await page.evaluate((id) => void (location.hash = "#/incidents/" + id), incident.id);
    await page.waitForTimeout(2000);
    await page.screenshot({ path: `${out}incident-${look}.png`, fullPage: true });
    await page.evaluate(() => void (location.hash = "#/service/web"));
    await page.locator("button", { hasText: "Drain" }).first().click();
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${out}lever-${look}.png` });
    await page.keyboard.press("Escape");
    await page.evaluate(() => void (location.hash = "#/releases/shop"));
    await page.getByRole("button", { name: "Promote: shop" }).click();
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${out}promote-${look}.png` });
    console.log(look, page.problems);
    await page.close();
  }
} finally {
  clearInterval(asking);
  hook.close();
  await browser.close();
  await stage.close();
}
