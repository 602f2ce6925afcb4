/** Who the person in front of this browser is, as far as the chat has told. */
import { signal } from "@preact/signals";
import type { Person } from "../core/plugin.ts";
import type { Key } from "./i18n.ts";
import { forget, keep, kept, watch } from "./keep.ts";

/** Belongs to the browser, not to the person, and so outlives a logout. */
const OF_THE_BROWSER = ["language", "theme", "name", "panels"];

const token = signal(kept("token"));
export const me = signal<Person>(readPerson());
/** What the join screen has to say. */
export const problem = signal<Key | "">("");
/** A name that is free, where the wanted one was not. */
export const suggestion = signal("");
/** The code of a link from another device, taken out of the address bar so that a reload does not use it twice. */
export const link = signal(takeLink());

export const hasToken = () => token.value !== "";
/** The session, as an HTTP request says it. */
export const bearer = () => `Bearer ${token.peek()}`;

// A link that is opened where the page is open already changes the address and loads nothing.
addEventListener("hashchange", () => {
  if (location.hash.startsWith("#link=")) location.reload();
});

function readPerson(): Person {
  try {
    const { id, name } = JSON.parse(kept("me") || "{}");
    return { id: String(id ?? ""), name: String(name ?? "") };
  } catch {
    return { id: "", name: "" };
  }
}

function takeLink(): string {
  const url = new URL(location.href);
  const code = /^#link=([\w-]+)$/.exec(url.hash)?.[1] ?? url.searchParams.get("link") ?? "";
  if (code === "") return "";
  url.searchParams.delete("link");
  url.hash = "";
  history.replaceState(null, "", url);
  return code;
}

/** What the handshake says: who we are, by the strongest proof at hand. */
export function credentials(name: string): Record<string, string> {
  const after = kept("after");
  if (token.value !== "") return { token: token.value, ...(after && { after }) };
  return link.value === "" ? { name, token: claim() } : { link: link.value };
}

/** A name is claimed with a token of our own: if the answer gets lost, whoever claims again is the same person. */
function claim(): string {
  if (kept("claim") === "") keep("claim", hex(crypto.getRandomValues(new Uint8Array(16))));
  return kept("claim");
}

const hex = (bytes: Uint8Array) => Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");

export function signIn(you: Person, newToken: string): void {
  if (you.id !== me.value.id) keep("after", "");
  rename(you);
  keep("token", newToken);
  keep("claim", "");
  token.value = newToken;
  link.value = "";
  problem.value = "";
  suggestion.value = "";
}

export function rename(you: Person): void {
  me.value = you;
  keep("me", JSON.stringify(you));
  keep("name", you.name);
}

/** The token is no longer good; `why` is told on the join screen. What was written stays for whoever joins again. */
export function signOut(why: Key | ""): void {
  keep("token", "");
  token.value = "";
  me.value = { id: "", name: "" };
  problem.value = why;
}

/** Forgets everything of the person. */
export function forgetPerson(): void {
  forget(OF_THE_BROWSER);
}

/** An own message has `key`: a later one must sort after it, on whatever node it is written. */
export function wrote(key: string): void {
  if (key > kept("after")) keep("after", key);
}

/** Another tab joined or logged out: so did this one. */
export function followTabs(changed: () => void): void {
  watch("token", newToken => {
    token.value = newToken;
    me.value = readPerson();
    changed();
  });
}
