// Figures in the words that operators use: two or three digits and a unit.

const digits = (n: number) => (n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2));

export function rate(n: number): string {
  if (n >= 1e6) return digits(n / 1e6) + "M";
  if (n >= 1e3) return digits(n / 1e3) + "k";
  return n === 0 ? "0" : n < 10 ? n.toFixed(1) : n.toFixed(0);
}

export const count = (n: number) => (Number.isInteger(n) && n < 1000 ? String(n) : rate(n));

export function percent(share: number): string {
  const p = share * 100;
  if (p === 0) return "0%";
  if (p < 0.01) return "<0.01%";
  return (p >= 10 ? p.toFixed(0) : p >= 1 ? p.toFixed(1) : p.toFixed(2)) + "%";
}

// latency is empty where none was measured.
export function latency(seconds: number): string {
  if (!seconds) return "–";
  if (seconds < 1e-3) return (seconds * 1e6).toFixed(0) + " µs";
  if (seconds < 1) return (seconds < 0.01 ? (seconds * 1e3).toFixed(1) : (seconds * 1e3).toFixed(0)) + " ms";
  return (seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)) + " s";
}

export function age(seconds: number): string {
  if (seconds < 1) return "now";
  if (seconds < 60) return Math.floor(seconds) + " s";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// left is a time to come, to the second while that matters.
export function left(seconds: number): string {
  const s = Math.max(0, Math.ceil(seconds));
  if (s < 60) return `${s} s`;
  if (s < 600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return age(s);
}

// chance is a probability, which may be very small.
export function chance(p: number): string {
  if (p >= 0.01) return p.toFixed(2).replace(/\.?0+$/, "");
  return p < 1e-300 ? "<1e-300" : p.toExponential(1).replace(".0e", "e");
}

export const since = (time: string, now: number) => Math.max(0, (now - Date.parse(time)) / 1000);

export function clock(time: string | number): string {
  return new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
}

export function day(time: string | number): string {
  return new Date(time).toLocaleDateString([], { day: "numeric", month: "short" });
}

export const plural = (n: number, one: string, many = one + "s") => `${n} ${n === 1 ? one : many}`;

export const words = (text: string) => text.replaceAll("_", " ");
