// Releases in a browser, of a real service by a real Afloat: one that waits at a
// gate is promoted and undone, one that fails is taken back by the judge, and one
// without requests is nobody's fault.
import assert from "node:assert/strict";
import { test } from "node:test";
import { accessible, browser, fits, go, openPage, page, play, stage, until } from "./stage.mjs";

const release = "{steps: [{weight: 20%, gate: true}, {weight: 50%}], keep: 1s, judge: {requestsMin: 20, latency: [{of: 0.9, tolerance: 3}]}}";
play({ services: { cart: 1 }, released: { shop: release } });

const state = (text, p = page) => p.locator(".findings [role=status]").getByText(text).waitFor({ timeout: 30_000 });
const button = (act) => page.getByRole("button", { name: `${act}: shop`, exact: true });
const plot = (name) => page.getByRole("img", { name: new RegExp(`^${name}: `) });
const check = (name) => page.getByRole("region", { name: "Checks of the judge" }).locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) });
const version = () => fetch(stage.traffic + "/shop").then((r) => r.headers.get("x-version"));

// act presses a button, and says why.
async function act(name, why) {
  await button(name).click();
  const dialog = page.getByRole("dialog", { name: `${name}: shop` });
  await dialog.getByLabel("Why").fill(why);
  await dialog.getByLabel("Your name").fill("ada");
  await dialog.getByRole("button", { name, exact: true }).click();
  await dialog.waitFor({ state: "detached" });
}

test("a release under way is on the overview, on its service's screen, and among the releases", async () => {
  await until("shop serves", async () => (await version()) === "v1");
  await go("releases");
  await page.getByRole("heading", { level: 1, name: "No release is under way" }).waitFor();
  await stage.release("shop", "v2");
  await page.getByRole("heading", { level: 1, name: "1 release under way" }).waitFor();
  await page.locator("tr", { hasText: "shop" }).getByText("bob").waitFor();
  await page.getByRole("link", { name: /^Releases/ }).getByLabel("1 under way").waitFor();
  await go("service/shop");
  await page.locator(".panel", { has: page.getByRole("heading", { name: "Release" }) }).getByRole("link", { name: "All of it" }).waitFor();
  await go("");
  const found = page.locator(".findings li", { hasText: "is being released" });
  await found.getByText("waits at a gate").waitFor({ timeout: 30_000 });
  await found.getByRole("link", { name: "shop" }).click();
  await page.getByRole("heading", { level: 1, name: "shop" }).waitFor();
});

test("a canary waits at its gate with what the judge saw, and is promoted from the page", async () => {
  await state("step 1 of 2, weight 20%");
  await page.getByText("waits at a gate until somebody promotes it").first().waitFor();
  await page.getByRole("listitem").filter({ hasText: "Step 1" }).getByText("under way").waitFor();
  for (const name of ["errors", "objective", "latency p90"]) await check(name).getByText("pass").waitFor();
  await go("service/shop");
  const { sets } = await stage.get("/api/v1/releases/shop").then((r) => r.json()).then((s) => s.release);
  assert.ok(sets.length >= 2, "each version has processes");
  for (const { version } of sets) await page.getByRole("region", { name: "Processes" }).locator("tr", { hasText: version }).getByText("ready", { exact: true }).first().waitFor();
  await go("releases/shop");
  for (const name of ["Errors", "Evidence", "Latency p90", "Weight of the new version"]) await plot(name).waitFor();
  assert.match(await plot("Latency p90").getAttribute("aria-label"), /new version [\d.]+ ms, old version [\d.]+ ms, that allows [\d.]+ ms/);

  await button("Pause").click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Pause", exact: true }).click();
  assert.ok(!(await stage.get("/api/v1/releases/shop").then((r) => r.json())).release.paused, "without a why nothing happens");
  await page.keyboard.press("Escape");
  await act("Pause", "the phone rings");
  await page.getByText("paused by ada: the phone rings").first().waitFor();
  await act("Resume", "it was nothing");
  await page.getByText("waits at a gate until somebody promotes it").first().waitFor();
  await act("Promote", "the new look pleases");
  await state("complete");
  await button("Promote").waitFor({ state: "detached" });
  assert.equal(await version(), "v2");
  await page.locator(".timeline").getByText("the new look pleases").waitFor();
  const journal = await stage.get("/api/v1/journal?kind=release.steered").then((r) => r.json());
  assert.deepEqual(
    journal.map((e) => [e.subject, e.who, e.what, e.why]),
    [["shop", "bob", "start", undefined], ["shop", "ada", "pause", "the phone rings"], ["shop", "ada", "resume", "it was nothing"], ["shop", "ada", "promote", "the new look pleases"]],
  );
});

test("what was released is undone", async () => {
  const before = await stage.get("/api/v1/releases/shop").then((r) => r.json());
  await button("Undo").click();
  await page.getByRole("dialog").getByText(`goes back to ${before.previous}`).waitFor();
  await page.keyboard.press("Escape");
  await act("Undo", "it does not please");
  await until("the old version serves", async () => (await version()) === "v1");
  await state("complete");
  await page.locator(".facts").getByText("ada (undo)").waitFor();
});

test("a bad canary is seen going back by itself, with the values that decided", async () => {
  await stage.release("shop", "v3", { errors: 0.5 });
  await state("aborted");
  await page.getByText(/^the judge: .*canary \d+ errors of \d+/).first().waitFor();
  await page.locator(".panel", { has: page.getByRole("heading", { name: "Judge" }) }).locator("header").getByText("fail").waitFor();
  assert.equal(await page.locator(".rows .state.bad", { hasText: "fail" }).count() > 0, true);
  for (const name of ["Errors", "Evidence"]) await plot(name).waitFor();
  assert.match(await plot("Evidence").getAttribute("aria-label"), /against the old version [\d.e-]+, against the objective [\d.e-]+, .*it fails 2.5e-4$/);
  await page.getByRole("listitem").filter({ hasText: "Step 1" }).getByText("aborted here").first().waitFor();
  assert.equal(await button("Abort").count(), 0);
  assert.equal(await version(), "v1");
  await go("");
  await page.locator(".findings li", { hasText: "was aborted" }).getByText(/the judge: /).waitFor();
  await accessible(page);
  await go("releases/shop");
});

test("axe finds no serious fault in a release, dark or light, and nothing is cut off on a phone", async () => {
  await stage.release("shop", "v4");
  for (const look of [{ dark: false }, { dark: true }, { width: 375, height: 800 }]) {
    const p = await openPage(browser, stage.url, look);
    for (const screen of ["releases", "releases/shop", "service/shop"]) {
      await go(screen, p);
      await p.getByRole("heading", { level: 1 }).waitFor();
      if (screen === "releases/shop") await p.getByText("waits at a gate").first().waitFor({ timeout: 30_000 });
      await p.waitForTimeout(400);
      await accessible(p);
      await fits(p, screen);
    }
    await go("releases/shop", p);
    await p.getByRole("button", { name: "Abort: shop" }).click();
    await p.getByRole("dialog").getByText("All requests go to the old version").waitFor();
    await accessible(p);
    assert.deepEqual(p.problems, []);
    await p.close();
  }
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.getByRole("heading", { level: 1, name: "1 release under way" }).waitFor();
  await go("releases/shop");
  await act("Abort", "enough of it");
  await state("aborted");
  await page.getByText("aborted by ada: enough of it").first().waitFor();
});

test("without requests the judge is inconclusive, which is neither good nor bad", async () => {
  stage.hush();
  await stage.release("shop", "v5");
  await page.getByText("waits for the judge, who has not seen enough").first().waitFor({ timeout: 30_000 });
  const found = page.locator(".panel", { has: page.getByRole("heading", { name: "Judge" }) });
  await found.locator("header").getByText("inconclusive").waitFor();
  assert.equal(await found.locator("header .state.note").count(), 1);
  assert.equal(await check("errors").locator(".state.note", { hasText: "inconclusive" }).count(), 1);
  await act("Promote to all", "I have looked at it");
  await state("complete");
  assert.equal(await version(), "v5");
});

test("the page had no error, and the browser refused nothing of it", () => assert.deepEqual(page.problems, []));
