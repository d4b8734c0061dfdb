// Where the page is: the part of its address after #, such as #/service/web.
import { useEffect, useState } from "preact/hooks";

const here = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);

export function usePlace(): string[] {
  const [place, set] = useState(here);
  useEffect(() => {
    const moved = () => set(here());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}

export const to = (...parts: string[]) => "#/" + parts.map(encodeURIComponent).join("/");
