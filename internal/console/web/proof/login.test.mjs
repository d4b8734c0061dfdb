// A console that asks for a token: one logs in, and a reader has no levers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, openBrowser, openPage, Stage } from "./stage.mjs";

let stage, browser;

before(async () => {
  stage = await Stage.open({ services: { web: 2 }, released: { shop: "{steps: [{gate: true}], unjudged: true}" }, admin: ", token: an-operators, readToken: a-readers" });
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await stage?.close();
});

async function logIn(token) {
  const page = await openPage(browser, stage.url);
  await page.getByLabel("Token").fill("a guess");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").getByText("not the token").waitFor();
  await accessible(page);
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { level: 1, name: "All is well" }).waitFor({ timeout: 20_000 });
  await page.evaluate(() => void (location.hash = "#/service/web"));
  await page.getByRole("heading", { level: 1, name: "web" }).waitFor();
  assert.ok(!(await page.evaluate(() => document.cookie)).includes("session"), "scripts see the cookie");
  return page;
}

test("an operator logs in and has levers", async () => {
  const page = await logIn("an-operators");
  // By the keyboard alone: the dialog takes the focus, keeps it, and gives it back.
  const drain = page.getByRole("button", { name: /^Drain/ }).first();
  await drain.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await accessible(page);
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => !document.hasFocus() || document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)), "the focus left the dialog");
  }
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  assert.ok(await drain.evaluate((b) => b === document.activeElement), "the focus did not come back");
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token").waitFor();
  await page.close();
});

test("a reader sees all and has no levers", async () => {
  const page = await logIn("a-readers");
  await page.getByText("up", { exact: false }).first().waitFor();
  await page.waitForTimeout(500);
  assert.equal(await page.getByRole("button", { name: /^Drain/ }).count(), 0);
  await stage.release("shop", "v2", { headers: { Authorization: "Bearer an-operators" } });
  await page.evaluate(() => void (location.hash = "#/releases/shop"));
  await page.getByText("waits at a gate").first().waitFor({ timeout: 20_000 });
  assert.equal(await page.getByRole("button", { name: /: shop$/ }).count(), 0);
  await page.close();
});

test("a browser that a restart has logged out is asked to log in, and goes on", async () => {
  const page = await logIn("an-operators");
  await stage.kill("afloat");
  await page.getByRole("alert").getByText("Connection lost").waitFor({ timeout: 20_000 });
  await accessible(page);
  stage.run();
  await page.getByLabel("Token").fill("an-operators", { timeout: 20_000 });
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { level: 1, name: "web" }).waitFor({ timeout: 20_000 });
  await page.getByRole("button", { name: /^Drain/ }).first().waitFor();
  await page.getByText("Live", { exact: true }).waitFor();
  await page.close();
});

test("a session that ends while the stream goes on leads to the login", async () => {
  const page = await logIn("an-operators");
  await page.context().clearCookies();
  await page.evaluate(() => void (location.hash = "#/incidents"));
  await page.getByLabel("Token").waitFor({ timeout: 20_000 });
  await page.close();
});
