// Services that are slow and that fail, in a browser: what is found says since
// when, why, and what is done, and it heals. Most of it is waiting, for what is
// usual and for an alert, so it is apart from the other screens.
import assert from "node:assert/strict";
import { test } from "node:test";
import { page, play, stage, until } from "./stage.mjs";

play({ services: { web: 3, cart: 2 }, config: "slo: {web: 99.9%}\n" });

const inject = (fault, how = {}) =>
  stage.get("/api/v1/faults?" + new URLSearchParams({ route: "web", for: "2m", why: "a drill", who: "ada", ...how }), { method: "PUT", body: fault }).then((r) => assert.equal(r.status, 204));
const heal = (route = "web") => stage.get("/api/v1/faults?" + new URLSearchParams({ route, why: "enough", who: "ada" }), { method: "DELETE" });
const finding = (text) => page.locator(".findings li", { hasText: text });

test("a slow service is found, with since when, what was changed, and what is usual; and it heals", async () => {
  await until("it is known what is usual", async () => (await stage.status()).signals.find((s) => s.service === "web").usualP99Seconds > 0);
  await inject("delay: {share: 100%, duration: 600ms}");
  const slow = finding("is slow: p99");
  await slow.getByText(/instead of \d/).waitFor({ timeout: 20_000 });
  await slow.getByText(/before: fault injected by ada .*a drill/).waitFor();
  await slow.locator("time", { hasText: /\d s/ }).waitFor();
  await page.getByRole("heading", { level: 1, name: "1 service degraded" }).waitFor();
  await heal();
  await page.getByRole("heading", { level: 1, name: "All is well" }).waitFor({ timeout: 30_000 });
});

test("a service that fails is found within seconds, with since when, why, and what is done; and it heals", async () => {
  await inject("abort: {share: 40%, status: 503}", { route: "cart" }); // which has no objective, whose alert would last for an hour
  const failing = finding("of its requests");
  await failing.getByText(/before: fault injected by ada .*a drill/).waitFor({ timeout: 5_000 });
  await failing.locator(".does").waitFor();
  await failing.locator("time", { hasText: /\d s/ }).waitFor();
  await page.getByRole("heading", { level: 1, name: "1 service failing" }).waitFor();
  await failing.getByRole("link", { name: "P1 incident" }).waitFor({ timeout: 120_000 });
  await heal("cart");
  await page.getByRole("heading", { level: 1, name: "All is well" }).waitFor({ timeout: 90_000 });
});

test("the page had no error, and the browser refused nothing of it", () => assert.deepEqual(page.problems, []));
