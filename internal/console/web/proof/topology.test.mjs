// What goes where, in a browser: the edges are those of the configuration with
// what was measured on them, and a service's policies tell what they do now.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { accessible, browser, fits, go, openPage, page, play, stage } from "./stage.mjs";

// spare has what a route can have beside a service.
const spare = "  - {name: spare, match: [{path: {prefix: /spare}}], rewrite: {prefix: /}, to: [{service: web}], fallback: {service: cart}, mirror: [{service: cart}], retry: {attempts: 1}}\n";
play({ services: { web: 1, cart: 2 }, config: spare });

let asking;
after(() => clearInterval(asking));

// edge has a title such as "spare to web: 20 req/s, p99 5 ms".
const edge = (title) => page.locator(".edge title", { hasText: title }).first().waitFor({ state: "attached", timeout: 30_000 });
const policy = (name, text) => page.locator(".policies > div", { hasText: name }).getByText(text).first().waitFor({ timeout: 30_000 });
const faults = (method, query, body) => stage.get("/api/v1/faults?" + new URLSearchParams({ route: "spare", why: "a drill", who: "ada", ...query }), { method, body }).then((r) => assert.equal(r.status, 204));

test("the topology has what is configured, with what was measured", async () => {
  asking = setInterval(() => void fetch(stage.traffic + "/spare").then((r) => r.text(), () => {}), 50);
  await go("topology");
  await edge(/^web to web: [1-9][\d.]* req\/s, p99 [\d.]+ ms$/);
  await edge(/^spare to web: [1-9][\d.]* req\/s, p99 [\d.]+ ms$/);
  await edge(/^spare to cart: [1-9][\d.]* req\/s, copies · p99 [\d.]+ ms$/);
  await edge(/^spare to cart: 0 req\/s, fallback$/);
  const { routes, services } = (await stage.status()).gateway;
  const configured = routes.reduce((n, r) => n + 1 + (r.to ?? []).length + (r.mirrors ?? []).length + (r.fallback?.service ? 1 : 0), 0);
  const heights = await page.locator(".edge text", { hasText: /p99|fallback|copies/ }).evaluateAll((all) => all.map((t) => t.getBoundingClientRect()).map((b) => [Math.round(b.right), Math.round(b.top)].join()));
  assert.equal(new Set(heights).size, heights.length, "no label covers another one");
  assert.equal(await page.locator(".edge").count(), configured + services.reduce((n, s) => n + s.endpoints.length, 0), "no edge is invented");
});

test("an active fault is among the policies, with when it ends and what it did, and is gone after it", async () => {
  await go("service/web");
  await policy("Retries", "more allowed now");
  await policy("Route spare", /^copies to cart: [1-9][\d,]* sent/);
  await faults("PUT", { for: "1m" }, "delay: {share: 100%, duration: 1ms}");
  await policy("Route spare", /^a fault is injected, ends in \d+ s: [1-9][\d.,]* delayed$/);
  await faults("DELETE", {});
  await page.getByText(/^a fault is injected/).waitFor({ state: "detached", timeout: 20_000 });
});

test("a fallback that is used shows on its edge and in the policies of both services, and heals", async () => {
  await policy("Route spare", "fallback to cart: used 0 times");
  await stage.kill("web 0");
  await policy("Route spare", /^fallback to cart: used [1-9][\d.,]* times$/);
  await go("service/cart");
  await policy("Fallback", /^used [1-9][\d.,]* times$/);
  await go("topology");
  await edge(/^spare to cart: [1-9][\d.]* req\/s, fallback · p99 [\d.]+ ms$/);
  for (const look of [{}, { width: 375, height: 800 }]) {
    const p = await openPage(browser, stage.url, look);
    for (const screen of ["topology", "service/web"]) {
      await go(screen, p);
      await p.getByRole("heading", { level: 1 }).waitFor();
      await accessible(p);
      await fits(p, screen);
    }
    await p.close();
  }
  stage.startEndpoint("web", 0);
  await edge(/^spare to cart: 0 req\/s, fallback$/);
});

test("the page had no error, and the browser refused nothing of it", () => assert.deepEqual(page.problems, []));
