// Small parts that screens are made of.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Level } from "./findings";

const marks: Record<Level, string> = { good: "●", warn: "◐", bad: "▲", note: "○" };
const names: Record<Level, string> = { good: "well", warn: "degraded", bad: "failing", note: "note" };

// Mark says how something stands by shape and colour, and in a word to those who
// see neither, unless the words beside it do.
export function Mark({ level, said }: { level: Level; said?: boolean }) {
  const name = said ? { "aria-hidden": true } : { role: "img" as const, "aria-label": names[level] };
  return (
    <span class={`mark ${level}`} {...name}>
      {marks[level]}
    </span>
  );
}

export const stateLevel = (state: string): Level =>
  state === "up" ? "good" : state === "probing" ? "warn" : state === "draining" || state === "isolated" ? "note" : "bad";

export function State({ state }: { state: string }) {
  const level = stateLevel(state);
  return (
    <span class={`state ${level}`}>
      <span aria-hidden="true">{marks[level]}</span> {state}
    </span>
  );
}

export function Panel({ title, aside, children, class: more = "" }: { title?: ComponentChildren; aside?: ComponentChildren; children: ComponentChildren; class?: string }) {
  return (
    <section class={`panel ${more}`}>
      {title && (
        <header>
          <h2>{title}</h2>
          {aside && <div class="aside">{aside}</div>}
        </header>
      )}
      {children}
    </section>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children && <p>{children}</p>}
    </div>
  );
}

// Spark is a line of the last values, drawn without axes. Bad draws a second one
// over it, in red.
export function Spark({ values, bad, label, width = 96, height = 22 }: { values: (number | null)[]; bad?: number[]; label: string; width?: number; height?: number }) {
  const top = Math.max(...values.map((v) => v ?? 0), 1e-9);
  const path = (all: (number | null)[]) => {
    let d = "";
    let pen = "M";
    all.forEach((v, i) => {
      if (v === null) return;
      d += `${pen}${((i / Math.max(all.length - 1, 1)) * width).toFixed(1)} ${(height - 1 - (v / top) * (height - 3)).toFixed(1)}`;
      pen = "L";
    });
    return d;
  };
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {values.length > 1 && <path d={path(values)} />}
      {bad && <path class="bad" d={path(bad.map((v) => v || null))} />}
    </svg>
  );
}

// Bar is a share of a whole.
export function Bar({ share, level = "good", label }: { share: number; level?: Level; label: string }) {
  return (
    <svg class={`bar ${level}`} width="48" height="6" viewBox="0 0 48 6" role="img" aria-label={label}>
      <rect class="rest" width="48" height="6" rx="3" />
      {share > 0 && <rect width={Math.max(3, Math.min(1, share) * 48)} height="6" rx="3" />}
    </svg>
  );
}

// Modal is a dialog that the browser keeps the focus in; Escape closes it.
export function Modal({ title, close, children }: { title: string; close: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    dialog.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return (
    <dialog ref={dialog} aria-label={title} onClose={close} onClick={(e) => e.target === dialog.current && close()}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: string; children: JSX.Element }) {
  return (
    <label class="field">
      <span>{label}</span>
      {children}
      {hint && <small>{hint}</small>}
    </label>
  );
}

// useKept is a value that this browser keeps.
export function useKept(name: string, first: string): [string, (v: string) => void] {
  const [value, set] = useState(() => localStorage.getItem("afloat." + name) ?? first);
  return [
    value,
    (v) => {
      localStorage.setItem("afloat." + name, v);
      set(v);
    },
  ];
}

// useAsked asks the API for something, again after `every` ms and when `key`
// changes. What was there stays until there is something newer.
export function useAsked<T>(ask: () => Promise<T>, every: number, key: unknown): { value?: T; error?: Error; again: () => void } {
  const [answer, set] = useState<{ value?: T; error?: Error }>({});
  const [turn, next] = useState(0);
  useEffect(() => {
    let over = false;
    let timer = 0;
    const run = async () => {
      try {
        const value = await ask();
        if (!over) set({ value });
      } catch (error) {
        if (!over) set((was) => ({ value: was.value, error: error as Error }));
      }
      if (!over && every) timer = window.setTimeout(run, every);
    };
    void run();
    return () => {
      over = true;
      window.clearTimeout(timer);
    };
  }, [key, turn, every]);
  return { ...answer, again: () => next((n) => n + 1) };
}
