// Dark or light: what this browser prefers, or what was chosen here.
import { useEffect, useState } from "preact/hooks";

const preference = matchMedia("(prefers-color-scheme: dark)");
const readers = new Set<() => void>();

export type Theme = "dark" | "light";

export function theme(): Theme {
  const chosen = localStorage.getItem("afloat.theme");
  if (chosen === "dark" || chosen === "light") return chosen;
  return preference.matches ? "dark" : "light";
}

export function applyTheme() {
  document.documentElement.dataset.theme = theme();
  for (const r of readers) r();
}

export function toggleTheme() {
  localStorage.setItem("afloat.theme", theme() === "dark" ? "light" : "dark");
  applyTheme();
}

preference.addEventListener("change", applyTheme);

export function useTheme(): Theme {
  const [now, set] = useState(theme());
  useEffect(() => {
    const reader = () => set(theme());
    readers.add(reader);
    return () => void readers.delete(reader);
  }, []);
  return now;
}
