// The frame around the screens: where one can go, whether the connection stands,
// who one is.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Alerts } from "./alerts";
import { call, get, Refusal, type Session } from "./api";
import { Explore } from "./explore";
import { findings, worst } from "./findings";
import { age } from "./format";
import { Incidents } from "./incident";
import { store, useLive } from "./live";
import { Objectives } from "./objectives";
import { Overview } from "./overview";
import { Empty, Field, Mark, Modal } from "./parts";
import { over, levelOf } from "./release";
import { Releases } from "./releases";
import { ReleaseScreen } from "./releasing";
import { to, usePlace } from "./route";
import { ServiceScreen } from "./service";
import { SessionContext } from "./session";
import { toggleTheme, useTheme } from "./theme";
import { Topology } from "./topology";

const screens: { path: string; name: string; key: string }[] = [
  { path: "", name: "Overview", key: "o" },
  { path: "topology", name: "Topology", key: "t" },
  { path: "releases", name: "Releases", key: "r" },
  { path: "alerts", name: "Alerts", key: "a" },
  { path: "incidents", name: "Incidents", key: "i" },
  { path: "objectives", name: "Objectives", key: "b" },
  { path: "explore", name: "Explore", key: "e" },
];

export function App() {
  const place = usePlace();
  const { phase, live } = useLive();
  const [session, setSession] = useState<Session>({ methods: [] });
  const [help, setHelp] = useState(false);
  useKeys(() => setHelp((h) => !h));
  const main = useRef<HTMLElement>(null);
  const screen = place[0] ?? "";
  const title = place[1] && (screen === "service" || screen === "releases") ? place[1] : (screens.find((s) => s.path === screen)?.name ?? "Not found");

  useEffect(() => {
    void get<Session>("/api/v1/session").then(setSession, () => undefined);
  }, [phase === "live"]);
  useEffect(() => {
    document.title = `${title} · Afloat`;
    scrollTo(0, 0);
  }, [title]);

  if (phase === "login") return <LogIn />;
  return (
    <SessionContext.Provider value={session}>
      <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), main.current?.focus())}>
        Skip to content
      </a>
      <nav aria-label="Screens">
        <a class="brand" href="#/">
          <Logo /> Afloat
        </a>
        <ul>
          {screens.map((s) => (
            <li key={s.path}>
              <a href={"#/" + s.path} aria-current={screen === s.path || (s.path === "" && screen === "service") ? "page" : undefined}>
                {s.name}
                {s.path === "" && live && <Badge />}
                {s.path === "releases" && live && <UnderWay />}
              </a>
            </li>
          ))}
        </ul>
        <footer>
          <Connection />
          <div class="buttons">
            <ThemeButton />
            <button class="quiet" onClick={() => setHelp(true)} aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)">
              ?
            </button>
            {session.methods.length > 0 && session.role && <LogOut />}
          </div>
        </footer>
      </nav>
      <main id="main" ref={main} tabIndex={-1}>
        {phase === "lost" && <Lost />}
        {live ? <Screen place={place} /> : <Empty title="Connecting…">The console asks Afloat what it does.</Empty>}
      </main>
      {help && <Help close={() => setHelp(false)} />}
    </SessionContext.Provider>
  );
}

function Screen({ place }: { place: string[] }) {
  switch (place[0]) {
    case "":
    case undefined:
      return <Overview />;
    case "topology":
      return <Topology />;
    case "service":
      return <ServiceScreen key={place[1]} name={place[1] ?? ""} />;
    case "releases":
      return place[1] ? <ReleaseScreen key={place[1]} service={place[1]} /> : <Releases />;
    case "alerts":
      return <Alerts />;
    case "incidents":
      return <Incidents id={place[1]} />;
    case "objectives":
      return <Objectives />;
    case "explore":
      return <Explore key={place[1]} first={place[1] ?? ""} />;
  }
  return (
    <Empty title="There is no such screen">
      <a href="#/">Back to the overview</a>
    </Empty>
  );
}

// Badge is how bad things stand, beside the overview's name.
function Badge() {
  const { live, traces } = useLive();
  const all = findings(live!, traces).filter((f) => f.level === "bad" || f.level === "warn");
  if (all.length === 0) return null;
  return (
    <span class={`badge ${worst(all.map((f) => f.level))}`} aria-label={`${all.length} findings`}>
      {all.length}
    </span>
  );
}

// UnderWay is how many releases there are now, beside their screen's name.
function UnderWay() {
  const { live } = useLive();
  const all = (live!.releases ?? []).flatMap((s) => (s.release && !over(s.release) ? [levelOf(s.release)] : []));
  if (all.length === 0) return null;
  return (
    <span class={`badge ${worst(all)}`} aria-label={`${all.length} under way`}>
      {all.length}
    </span>
  );
}

function Connection() {
  const { phase, live } = useLive();
  const text = phase === "live" ? "Live" : phase === "lost" ? "Connection lost" : "Connecting";
  return (
    <p class="connection" role="status">
      <Mark level={phase === "live" ? "good" : phase === "lost" ? "bad" : "warn"} said /> <span>{text}</span>
      {live && (
        <small>
          {live.status.version} · up {age(live.status.uptimeSeconds)}
        </small>
      )}
    </p>
  );
}

// Lost counts the seconds by itself: no frame comes that could.
function Lost() {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = (performance.now() - store.heardAt) / 1000;
  return (
    <div class="lost" role="alert">
      <strong>Connection lost {age(seconds)} ago.</strong> What you see is as of then. It is tried again each second.
    </div>
  );
}

function LogIn() {
  const [methods, setMethods] = useState<string[]>([]);
  useEffect(() => void get<Session>("/api/v1/session").then((s) => setMethods(s.methods), () => undefined), []);
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const logIn = async (e: Event) => {
    e.preventDefault();
    try {
      await call("POST", "/api/v1/session", { token });
      store.loggedIn();
    } catch (error) {
      setProblem(error instanceof Refusal ? error.message : "Afloat cannot be reached");
    }
  };
  return (
    <main class="login">
      <form onSubmit={logIn}>
        <h1>
          <Logo /> Afloat
        </h1>
        {methods.includes("oidc") && (
          <a class="button" href="/api/v1/session/oidc">
            Log in by name
          </a>
        )}
        {methods.includes("token") && (
          <>
            <Field label="Token" hint="admin.token or admin.readToken of its configuration">
              <input type="password" autocomplete="current-password" autofocus required value={token} onInput={(e) => setToken(e.currentTarget.value)} />
            </Field>
            {problem && (
              <p class="problem" role="alert">
                {problem}
              </p>
            )}
            <button class="primary">Log in</button>
          </>
        )}
      </form>
    </main>
  );
}

function LogOut() {
  const logOut = async () => {
    await call("DELETE", "/api/v1/session").catch(() => undefined);
    location.reload();
  };
  return (
    <button class="quiet" onClick={logOut}>
      Log out
    </button>
  );
}

function ThemeButton() {
  const now = useTheme();
  return (
    <button class="quiet" onClick={toggleTheme} aria-label={`Switch to ${now === "dark" ? "light" : "dark"}`} title="Dark or light">
      {now === "dark" ? "☀" : "☾"}
    </button>
  );
}

function Logo(): ComponentChildren {
  return (
    <svg class="logo" width="20" height="20" viewBox="0 0 32 32" aria-hidden="true">
      <path d="M4 23c4 0 4-2.500 8-2.500s4 2.500 8 2.500 4-2.500 8-2.500" />
      <circle cx="16" cy="11" r="5.500" />
    </svg>
  );
}

function Help({ close }: { close: () => void }) {
  return (
    <Modal title="Keyboard" close={close}>
      <dl class="keys">
        {screens.map((s) => (
          <div key={s.path}>
            <dt>
              <kbd>g</kbd> <kbd>{s.key}</kbd>
            </dt>
            <dd>{s.name}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>/</kbd>
          </dt>
          <dd>Filter, or the query</dd>
        </div>
        <div>
          <dt>
            <kbd>d</kbd>
          </dt>
          <dd>Dark or light</dd>
        </div>
        <div>
          <dt>
            <kbd>?</kbd>
          </dt>
          <dd>This list</dd>
        </div>
      </dl>
      <div class="actions">
        <button onClick={close}>Close</button>
      </div>
    </Modal>
  );
}

// useKeys takes the keys that work on every screen, unless somebody writes.
function useKeys(help: () => void) {
  useEffect(() => {
    let first = "";
    const pressed = (e: KeyboardEvent) => {
      const target = e.target as HTMLElement;
      if (e.ctrlKey || e.metaKey || e.altKey || target.matches("input, textarea, select") || document.querySelector("dialog[open]")) return;
      const screen = first === "g" && screens.find((s) => s.key === e.key);
      first = e.key;
      if (screen) location.hash = to(screen.path);
      else if (e.key === "?") help();
      else if (e.key === "d") toggleTheme();
      else if (e.key === "/") {
        e.preventDefault();
        document.querySelector<HTMLElement>("[data-search]")?.focus();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
