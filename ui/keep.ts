/** What this browser remembers. Some private windows refuse localStorage; then it lasts as long as the page. */
const memory = new Map<string, string>();

// Two chats may live under two paths of one host.
/** In front of every name that this page stores something under. */
export const prefix = `web-chat${typeof document === "undefined" ? "/" : new URL(".", document.baseURI).pathname}`;

export function keep(key: string, text: string): void {
  memory.set(key, text);
  try {
    if (text === "") localStorage.removeItem(prefix + key);
    else localStorage.setItem(prefix + key, text);
  } catch {}
}

export function kept(key: string): string {
  try {
    return localStorage.getItem(prefix + key) ?? "";
  } catch {
    return memory.get(key) ?? "";
  }
}

/** As `keep` and `kept`, but each tab finds its own again; a new one begins with what was kept last in any. */
export function keepHere(key: string, text: string): void {
  keep(key, text);
  try {
    sessionStorage.setItem(prefix + key, text);
  } catch {}
}

export function keptHere(key: string): string {
  try {
    return sessionStorage.getItem(prefix + key) ?? kept(key);
  } catch {
    return kept(key);
  }
}

/** The list kept under `key`; empty where there is none, or it is damaged. */
export function keptList(key: string): string[] {
  try {
    const list: unknown = JSON.parse(kept(key) || "[]");
    return Array.isArray(list) ? list.filter(item => typeof item === "string") : [];
  } catch {
    return [];
  }
}

/** Forgets everything but what belongs to the browser rather than to the person. */
export function forget(except: readonly string[]): void {
  for (const key of memory.keys()) if (!except.includes(key)) memory.delete(key);
  try {
    for (const store of [localStorage, sessionStorage])
      for (const key of Object.keys(store))
        if (key.startsWith(prefix) && !except.includes(key.slice(prefix.length))) store.removeItem(key);
  } catch {}
}

/** Calls back when another tab of this browser changes `key`. */
export function watch(key: string, changed: (text: string) => void): void {
  addEventListener("storage", event => {
    if (event.key === prefix + key) changed(event.newValue ?? "");
  });
}
