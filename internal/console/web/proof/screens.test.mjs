// Every screen and every lever in a browser, on live data, with a real fault: an
// endpoint that is killed, and comes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, browser, fits, go, openPage, page, play, stage, until } from "./stage.mjs";

play({ services: { web: 3, cart: 2 }, config: "slo: {web: 99.9%}\n" });

const sees = (text, p = page) => p.getByText(text).first().waitFor({ timeout: 20_000 });
const row = (address) => page.locator("tr", { hasText: address });

test("the overview says that all is well, and lists the services", async () => {
  await page.getByRole("heading", { level: 1, name: "All is well" }).waitFor();
  for (const name of ["web", "cart"]) await page.getByRole("link", { name, exact: true }).first().waitFor();
  await until("traffic is shown", async () => Number(await page.locator(".tile .figure").first().textContent().then((t) => t.replace(/[^\d.]/g, ""))) > 10);
});

test("a killed endpoint is shown within seconds, with its reason, and its return too", async () => {
  const address = stage.endpoints.web[1];
  await stage.kill("web 1");
  await sees(`${address} is down`);
  await page.getByRole("heading", { level: 1, name: "1 service degraded" }).waitFor();
  await sees("connection refused");
  await go("service/web");
  await row(address).getByText("down").waitFor();
  await go("topology");
  await page.locator(".node.bad", { hasText: address }).waitFor();
  await go("incidents");
  await sees("endpoint down");
  stage.startEndpoint("web", 1);
  await go("");
  await page.getByRole("heading", { level: 1, name: "All is well" }).waitFor({ timeout: 20_000 });
});

for (const [lever, act, undo, state] of [
  ["drain", "Drain", "End the drain", "draining"],
  ["isolate", "Isolate", "Readmit", "isolated"],
]) {
  test(`${lever} asks why, is carried out, and is undone`, async () => {
    const address = stage.endpoints.web[0];
    await go("service/web");
    await page.getByRole("button", { name: `${act}: ${address}` }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("2 endpoints of web will be left").waitFor();
    await dialog.getByRole("button", { name: act, exact: true }).click();
    assert.equal((await stage.endpoint("web", address)).levers, undefined, "without a why nothing happens");
    await dialog.getByLabel("Why").fill("new disk");
    await dialog.getByLabel("Your name").fill("ada");
    await dialog.getByRole("button", { name: act, exact: true }).click();
    await row(address).getByText(state, { exact: false }).first().waitFor();
    await row(address).getByText("ada: new disk").waitFor();
    assert.equal((await stage.endpoint("web", address)).share, 0);
    await page.getByRole("button", { name: `${undo}: ${address}` }).click();
    await dialog.getByText("new disk").waitFor();
    await dialog.getByLabel("Why").fill("it is in");
    await dialog.getByRole("button", { name: undo }).click();
    await row(address).getByText("up", { exact: false }).first().waitFor();
    assert.equal((await stage.endpoint("web", address)).state, "up");
    const journal = await stage.get("/api/v1/journal?kind=lever").then((r) => r.json());
    assert.deepEqual(journal.slice(-2).map((e) => [e.who, e.what, e.why]), [["ada", lever, "new disk"], ["ada", `${lever} undone`, "it is in"]]);
  });
}

test("weigh gives an endpoint another share, and its own again", async () => {
  const address = stage.endpoints.cart[0];
  await go("service/cart");
  await page.getByRole("button", { name: `Weigh: ${address}` }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Weight").fill("3");
  await dialog.getByLabel("Why").fill("larger machine");
  await dialog.getByRole("button", { name: "Weigh", exact: true }).click();
  await row(address).getByText("75%").waitFor();
  await page.getByRole("button", { name: `Its own weight: ${address}` }).click();
  await dialog.getByLabel("Why").fill("it is not");
  await dialog.getByRole("button", { name: "Its own weight" }).click();
  await row(address).getByText("50%").waitFor();
});

test("the last endpoint is not drained without a warning", async () => {
  await stage.kill("cart 1");
  await until("it is down", async () => (await stage.endpoint("cart", stage.endpoints.cart[1])).state === "down");
  await go("service/cart");
  await row(stage.endpoints.cart[1]).getByText("down").waitFor();
  await page.getByRole("button", { name: `Drain: ${stage.endpoints.cart[0]}` }).click();
  await page.getByRole("dialog").getByText("No endpoint of cart will be left").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  stage.startEndpoint("cart", 1);
  await row(stage.endpoints.cart[1]).getByText("up", { exact: false }).first().waitFor({ timeout: 20_000 });
});

test("an outage raises an alert, which is acknowledged and silenced, and becomes an incident", async () => {
  for (const i of [0, 1]) await stage.kill(`cart ${i}`);
  await go("alerts");
  const alert = page.locator(".alerts li", { hasText: "cart" }).first();
  await alert.waitFor({ timeout: 30_000 });
  await alert.getByRole("button", { name: /^Acknowledge/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Why").fill("I look at it");
  await dialog.getByRole("button", { name: "Acknowledge" }).click();
  await page.getByText("acknowledged by ada").first().waitFor({ timeout: 20_000 });
  await page.getByRole("button", { name: /^Silence/ }).first().click();
  await dialog.getByLabel("Why").fill("known");
  await dialog.getByRole("button", { name: "Silence", exact: true }).click();
  await page.getByRole("heading", { name: "Silences" }).waitFor({ timeout: 20_000 });
  await page.getByText("known").first().waitFor();
  await page.getByRole("button", { name: "End", exact: true }).first().click();
  await dialog.getByLabel("Why").fill("enough");
  await dialog.getByRole("button", { name: "End the silence" }).click();
  await page.getByRole("heading", { name: "Silences" }).waitFor({ state: "detached", timeout: 20_000 });
  const told = await stage.get("/api/v1/journal?kind=alert.silenced&kind=alert.unsilenced").then((r) => r.json());
  assert.deepEqual(told.map((e) => [e.subject, e.kind, e.who, e.why]), [["cart", "alert.silenced", "ada", "known"], ["cart", "alert.unsilenced", "ada", "enough"]]);
  await go("incidents");
  await page.getByRole("heading", { level: 1, name: "1 open" }).waitFor({ timeout: 20_000 });
  await page.locator(".alerts a", { hasText: "cart" }).first().click();
  await page.getByRole("heading", { name: "Timeline" }).waitFor();
  await sees("endpoint down");
  await sees("Requests failed");
  for (const i of [0, 1]) stage.startEndpoint("cart", i);
  await page.getByText("over after").waitFor({ timeout: 60_000 });
});

test("explore completes names, and plots what a query finds", async () => {
  await go("explore");
  for (const example of await page.locator(".examples button").all()) {
    await example.click();
    await until(`${await example.textContent()}: it finds something`, async () => (await page.locator(".legend li").count()) > 0);
    await page.getByLabel("Query in PromQL").fill("vector(0) < 0");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("Nothing was measured").waitFor();
  }
  const editor = page.getByLabel("Query in PromQL");
  await editor.fill("sum by (service) (rate(afloat_requests_to");
  await editor.press("End");
  await page.getByRole("option", { name: "afloat_requests_total", exact: true }).waitFor();
  await editor.press("Tab");
  await editor.pressSequentially("[15s]))");
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator(".legend li", { hasText: "service=web" }).waitFor({ timeout: 20_000 });
  // Labels, and their values, of the metric that is named before.
  await editor.fill("sum by (");
  await editor.press("End");
  await editor.pressSequentially("serv");
  await page.getByRole("option", { name: "service", exact: true }).waitFor();
  await editor.press("Tab");
  await editor.pressSequentially(") (rate(afloat_requests_total{ser");
  await page.getByRole("option", { name: "service", exact: true }).waitFor();
  await editor.press("Tab");
  await editor.pressSequentially('="we');
  await page.getByRole("option", { name: "web", exact: true }).waitFor();
  await editor.press("Tab");
  await editor.pressSequentially("}[15s]))");
  assert.equal(await editor.inputValue(), 'sum by (service) (rate(afloat_requests_total{service="web"}[15s]))');
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator(".legend li", { hasText: "service=web" }).waitFor({ timeout: 20_000 });
  await editor.fill("sum(");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("alert").getByText("parse error").waitFor();
});

test("objectives show how much of the budget is left", async () => {
  await go("objectives");
  await page.locator(".panel", { hasText: "web" }).getByText("of the error budget is left").waitFor({ timeout: 60_000 });
});

test("a warning of the configuration is shown, and goes when it is mended", async () => {
  const mended = stage.rewrite((text) => text.replace("slo:", "  - {name: all, to: [{service: web}]}\n  - {name: late, to: [{service: web}]}\nslo:"));
  await go("");
  await page.locator(".findings li", { hasText: "the configuration has 1 warning" }).getByText("never reached (1)").waitFor({ timeout: 20_000 });
  stage.rewrite(() => mended);
  await page.getByText("the configuration has").waitFor({ state: "detached", timeout: 20_000 });
});

test("a lost connection is shown, and heals", async () => {
  await go("");
  await stage.kill("afloat");
  await page.getByRole("alert").getByText("Connection lost").waitFor({ timeout: 20_000 });
  stage.run();
  await page.getByRole("alert").waitFor({ state: "detached", timeout: 20_000 });
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByRole("heading", { level: 1, name: "All is well" }).waitFor({ timeout: 20_000 });
});

test("an incident keeps its evidence over a restart and a reload", async () => {
  const [incident] = await stage.get("/api/v1/incidents").then((r) => r.json());
  await go("incidents/" + incident.id);
  await page.reload();
  await page.getByRole("heading", { name: "Evidence" }).waitFor();
  for (const label of [/^Errors, at most [1-9]/, /^Traffic, at most [1-9]/, /^Latency, at most [\d.]+ m?s/]) await page.getByRole("img", { name: label }).waitFor({ timeout: 20_000 });
});

test("the journal is read on from the last entry seen", async () => {
  await go("incidents");
  const entries = page.locator(".panel", { has: page.getByRole("heading", { name: "Journal" }) }).locator(".timeline > li");
  await entries.first().waitFor();
  const asked = [];
  page.on("request", (r) => r.url().includes("/api/v1/journal") && asked.push(new URL(r.url()).searchParams));
  await stage.get(`/api/v1/services/web/endpoints/${stage.endpoints.web[2]}/weight`, { method: "PUT", body: JSON.stringify({ weight: 2, why: "to be read", who: "ada" }) });
  await entries.first().getByText("to be read").waitFor({ timeout: 20_000 });
  assert.ok(asked.length > 0 && asked.every((query) => Number(query.get("after")) > 0), "what is there is not asked for again");
  assert.ok((await entries.count()) > 1, "and stays");
  await stage.get(`/api/v1/services/web/endpoints/${stage.endpoints.web[2]}/weight?why=it+was&who=ada`, { method: "DELETE" });
  await entries.first().getByText("it was").waitFor({ timeout: 20_000 });
});

test("keys lead everywhere, and dark and light are kept", async () => {
  await page.keyboard.press("g");
  await page.keyboard.press("t");
  await page.getByRole("heading", { level: 1, name: /Topology/ }).waitFor();
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  const was = await theme();
  await page.keyboard.press("d");
  assert.notEqual(await theme(), was);
  await page.reload();
  await page.getByRole("heading", { level: 1, name: /Topology/ }).waitFor();
  assert.notEqual(await theme(), was);
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
});

test("axe finds no serious fault on any screen, dark, light or at phone width, where nothing is cut off", async () => {
  const incidents = await stage.get("/api/v1/incidents").then((r) => r.json());
  assert.ok(incidents.length > 0);
  const screens = ["", "topology", "service/web", "service/nothing", "releases", "alerts", "incidents", `incidents/${incidents[0].id}`, "incidents/0", "objectives", "explore"];
  for (const look of [{ dark: false }, { dark: true }, { width: 375, height: 800 }]) {
    const p = await openPage(browser, stage.url, look);
    for (const screen of screens) {
      await go(screen, p);
      await p.getByRole("heading", { level: 1 }).waitFor();
      await p.waitForTimeout(400);
      await accessible(p);
      await fits(p, screen);
    }
    await go("service/web", p);
    await p.getByRole("button", { name: /^Drain/ }).first().waitFor();
    const hidden = await p.locator(".scroll:has(.endpoints)").evaluate((box) => [...box.querySelectorAll(".levers button")].filter((b) => b.getBoundingClientRect().right > box.getBoundingClientRect().right).map((b) => b.ariaLabel));
    assert.deepEqual(hidden, [], "levers are out of sight");
    await p.getByRole("button", { name: /^Drain/ }).first().click();
    await p.getByRole("dialog").waitFor();
    await accessible(p);
    await fits(p, "the dialog of a lever");
    assert.deepEqual(p.problems, []);
    await p.close();
  }
});

test("the page had no error, and the browser refused nothing of it", () => assert.deepEqual(page.problems, []));
