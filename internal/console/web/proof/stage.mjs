// The stage that the proofs play on: a real `afloat run` with services that are
// real processes, a client that asks them without pause, and a browser.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

const afloat = process.env.AFLOAT ?? "afloat";
const browserPath = process.env.CHROMIUM ?? "/usr/bin/chromium";

// command runs a version of a service.
const command = (version, errors = 0, time = 2) => `["${afloat}", sample, -service-time, ${time}ms, -workers, "50", -version, ${version}, -errors, "${errors}"]`;

// freePorts are ports of loopback that nobody has now.
async function freePorts(n) {
  const servers = await Promise.all(Array.from({ length: n }, () => new Promise((resolve) => { const s = createServer().listen(0, "127.0.0.1", () => resolve(s)); })));
  const ports = servers.map((s) => s.address().port);
  await Promise.all(servers.map((s) => new Promise((done) => s.close(done))));
  return ports;
}

// until waits for something to hold, at most 30 s.
export async function until(what, holds) {
  const end = Date.now() + 30_000;
  for (;;) {
    const got = await holds();
    if (got) return got;
    if (Date.now() > end) throw new Error("not within 30 s: " + what);
    await new Promise((next) => setTimeout(next, 100));
  }
}

export class Stage {
  children = new Map();
  folder = mkdtempSync(join(tmpdir(), "afloat-console-"));

  // open starts Afloat with services of so many endpoints, by name. One that has
  // more than 20 runs as one process that listens on many addresses. Those that are
  // released run in Afloat, in two replicas, with what their release says.
  static async open({ services = { web: 3, cart: 2 }, released = {}, rate = 2, config = "", admin = "" } = {}) {
    const s = new Stage();
    s.services = { ...services, ...released };
    s.endpoints = {};
    s.config = config;
    const [listen, adminPort] = await freePorts(2);
    s.url = `http://127.0.0.1:${adminPort}`;
    s.traffic = `http://127.0.0.1:${listen}`;
    let text = `listen: 127.0.0.1:${listen}\nadmin: {address: "127.0.0.1:${adminPort}"${admin}}\ndata: ${join(s.folder, "data")}\nservices:\n`;
    for (const [name, n] of Object.entries(services)) {
      if (n > 20) {
        const [port] = await freePorts(1);
        s.start(`${name} 0`, ["sample", "-listen", `0.0.0.0:${port}`, "-name", name, "-service-time", "2ms", "-workers", "200"]);
        s.endpoints[name] = Array.from({ length: n }, (_, i) => `127.0.${1 + Math.floor(i / 200)}.${1 + (i % 200)}:${port}`);
      } else {
        const ports = await freePorts(n);
        ports.forEach((port, i) => s.startEndpoint(name, i, port));
        s.endpoints[name] = ports.map((port) => `127.0.0.1:${port}`);
      }
      text += `  ${name}: {endpoints: [${s.endpoints[name].map((a) => `"${a}"`).join(", ")}], health: {path: /health, interval: 1s}}\n`;
    }
    for (const [name, how] of Object.entries(released)) text += `  ${name}: {process: {command: ${command("v1")}, replicas: 2}, retry: {attempts: -1}, release: ${how}}\n`;
    text += "routes:\n" + Object.keys(s.services).map((name) => `  - {name: ${name}, match: [{path: {prefix: /${name}}}], rewrite: {prefix: /}, to: [{service: ${name}}]}\n`).join("") + config;
    writeFileSync(join(s.folder, "afloat.yaml"), text);
    s.run();
    await until("Afloat answers", () => s.get("/healthz").then((r) => r.ok, () => false));
    s.ask(rate);
    return s;
  }

  run() {
    this.start("afloat", ["run", "-f", join(this.folder, "afloat.yaml")]);
  }

  // rewrite changes the configuration's file, and returns what it was.
  rewrite(change) {
    const path = join(this.folder, "afloat.yaml");
    const was = readFileSync(path, "utf8");
    writeFileSync(path, change(was));
    return was;
  }

  startEndpoint(name, i, port = Number(this.endpoints[name][i].split(":")[1])) {
    this.start(`${name} ${i}`, ["sample", "-listen", `127.0.0.1:${port}`, "-name", `${name}-${i}`, "-service-time", `${3 + 2 * i}ms`, "-workers", "50"]);
  }

  start(name, args) {
    const child = spawn(afloat, args, { cwd: this.folder, stdio: ["ignore", "ignore", "pipe"] });
    child.said = "";
    child.stderr.on("data", (text) => (child.said = (child.said + text).slice(-20_000)));
    this.children.set(name, child);
  }

  // release begins to release a version, of which a share of the answers are errors.
  async release(name, version, { errors = 0, time = 2, headers = {} } = {}) {
    const text = `command: ${command(version, errors, time)}`;
    const r = await this.get(`/api/v1/releases/${name}?do=start&who=bob`, { method: "PUT", body: text, headers });
    if (!r.ok) throw new Error(await r.text());
  }

  // kill ends a process at once, as a crash does.
  async kill(name) {
    const child = this.children.get(name);
    child.kill("SIGKILL");
    await once(child, "exit");
    this.children.delete(name);
  }

  // ask sends requests to all services until the end, so many each 20 ms.
  ask(rate) {
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    let i = 0;
    const names = Object.keys(this.services);
    this.asking = setInterval(() => {
      for (let n = 0; n < rate; n++) {
        const r = request(`${this.traffic}/${names[i++ % names.length]}`, { agent }, (res) => res.resume());
        r.on("error", () => undefined);
        r.setTimeout(5000, () => r.destroy());
        r.end();
      }
    }, 20);
    this.agent = agent;
  }

  // hush ends the requests.
  hush() {
    clearInterval(this.asking);
  }

  get(path, init) {
    return fetch(this.url + path, init);
  }

  status() {
    return this.get("/api/v1/status").then((r) => r.json());
  }

  async endpoint(service, address) {
    const s = (await this.status()).gateway.services.find((s) => s.name === service);
    return s.endpoints.find((e) => e.address === address);
  }

  async close() {
    this.hush();
    this.agent?.destroy();
    for (const child of this.children.values()) {
      child.kill("SIGTERM");
      const hard = setTimeout(() => child.kill("SIGKILL"), 8000);
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      clearTimeout(hard);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// accessible finds no serious fault in what a page shows now. The policy lets no
// script in but the page's own, so axe comes by the debugger.
export async function accessible(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = found.violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`), []);
}

// fits finds nothing that is cut off at the page's width.
export async function fits(page, screen) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(over <= 0, `${screen} is ${over} px too wide`);
}

export const openBrowser = () => chromium.launch({ executablePath: browserPath, args: ["--no-sandbox", "--disable-gpu"] });

// openPage opens a page that fails the proof when a script of it fails, or when
// the browser refuses something because of the policy.
export async function openPage(browser, url, { width = 1360, height = 900, dark = false } = {}) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: "reduce" });
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|ERR_/.test(message.text())) page.problems.push(message.text());
  });
  await page.goto(url);
  return page;
}

// What the tests of a file play on, once play has set it up.
export let stage, browser, page;

// play gives the tests of a file a stage, and a page of its console.
export function play(how) {
  before(async () => {
    stage = await Stage.open(how);
    browser = await openBrowser();
    page = await openPage(browser, stage.url);
  });
  after(async () => {
    await browser?.close();
    await stage?.close();
  });
}

// go leads a page to one of the console's screens.
export const go = (path, p = page) => p.evaluate((path) => void (location.hash = "#/" + path), path);
