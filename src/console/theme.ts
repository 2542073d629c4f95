/** Light or dark: the system's wish, until the reader says otherwise. */
import { useEffect, useState } from "react";

export type Theme = "light" | "dark";
const storageKey = "runcast.theme";

const stored = (): Theme | undefined => {
  const value = localStorage.getItem(storageKey);
  return value === "light" || value === "dark" ? value : undefined;
};

export function applyStoredTheme(): void {
  const theme = stored();
  if (theme !== undefined) document.documentElement.dataset["theme"] = theme;
}

/** The theme that is shown, and the switch to the other one. */
export function useTheme(): readonly [Theme, () => void] {
  const system = matchMedia("(prefers-color-scheme: light)");
  const [theme, setTheme] = useState<Theme>(() => stored() ?? (system.matches ? "light" : "dark"));
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: light)");
    const follow = () => {
      if (stored() === undefined) setTheme(query.matches ? "light" : "dark");
    };
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  const toggle = () => {
    const other: Theme = theme === "light" ? "dark" : "light";
    localStorage.setItem(storageKey, other);
    document.documentElement.dataset["theme"] = other;
    setTheme(other);
  };
  return [theme, toggle];
}
