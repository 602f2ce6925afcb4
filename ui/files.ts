/** Files that messages in the outbox refer to, kept in IndexedDB until those are sent. */
import { openDB } from "idb";
// As in menus.ts: so the bundler leaves the page's modules in one file.
import "./app.tsx";
import { blobsOf, here } from "./blobs.ts";
import { type Answer, connected } from "./connection.ts";
import { clearDrafts, promised } from "./drafts.ts";
import { prefix } from "./keep.ts";
import { items } from "./outbox.ts";
import { lastPlace } from "./places.ts";
import { bearer } from "./session.ts";

const STORE = "files";
/** One that nothing refers to may be about to be sent, by another tab, until then. */
const FORGOTTEN_MS = 24 * 60 * 60_000;

/** `at` in milliseconds since 1970. */
type Kept = { hash: string; bytes: ArrayBuffer; type: string; at: number };

// A private window may have no IndexedDB: then what is unsent lasts as long as the page.
const memory = new Map<string, Kept>();
const database = Promise.resolve()
  .then(() => openDB(prefix + STORE, 1, { upgrade: db => void db.createObjectStore(STORE, { keyPath: "hash" }) }))
  .catch(() => undefined);

/** Keeps it; returns the hex SHA-256 of its bytes. */
export async function keepFile(file: Blob): Promise<string> {
  // Without a secure context there is nothing that hashes.
  if (!crypto.subtle) throw new Error("files can be sent over HTTPS only");
  const bytes = await file.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hash = Array.from(digest, byte => byte.toString(16).padStart(2, "0")).join("");
  const kept = { hash, bytes, type: file.type, at: Date.now() };
  memory.set(hash, kept);
  await database.then(db => db?.put(STORE, kept).then(() => memory.delete(hash))).catch(() => {});
  show(kept);
  return hash;
}

function show({ hash, bytes, type }: Kept): void {
  if (!here.has(hash)) here.set(hash, URL.createObjectURL(new Blob([bytes], { type })));
}

async function find(hash: string): Promise<Kept | undefined> {
  return memory.get(hash) ?? (await database)?.get(STORE, hash);
}

/** What the last visit left can be looked at again; what was never sent goes. */
export async function showKept(): Promise<void> {
  const all: Kept[] = (await (await database)?.getAll(STORE)) ?? [];
  const wanted = new Set([...items.peek(), ...(await promised())].flatMap(blobsOf));
  for (const kept of all) {
    if (wanted.has(kept.hash)) show(kept);
    else if (kept.at < Date.now() - FORGOTTEN_MS) await (await database)?.delete(STORE, kept.hash);
  }
}

/** One that is kept no longer was uploaded before: the node says if it lacks it. */
export async function uploadFiles(hashes: readonly string[]): Promise<Answer<unknown>> {
  const place = lastPlace();
  for (const hash of hashes) {
    const kept = await find(hash);
    const answer = kept && (await put(place, kept));
    if (answer && !answer.ok) return answer;
  }
  return { ok: true };
}

async function put(place: string, { bytes, type }: Kept): Promise<Answer<unknown>> {
  const control = new AbortController();
  // The node may be gone without a word, and then so is the connection.
  const stop = connected.subscribe(up => up || control.abort());
  try {
    const headers = { Authorization: bearer() };
    const body = new Blob([bytes], { type });
    const answer = await fetch(`${place}/blobs`, { method: "PUT", headers, body, signal: control.signal });
    return await answer.json();
  } finally {
    stop();
  }
}

/** Lets go of files that no unsent message refers to. */
export async function dropFiles(hashes: readonly string[]): Promise<void> {
  const wanted = new Set(items.peek().flatMap(blobsOf));
  for (const hash of hashes.filter(hash => !wanted.has(hash))) {
    URL.revokeObjectURL(here.get(hash) ?? "");
    here.delete(hash);
    memory.delete(hash);
    await (await database)?.delete(STORE, hash);
  }
}

/** The person has logged out. */
export async function clearFiles(): Promise<void> {
  for (const url of here.values()) URL.revokeObjectURL(url);
  here.clear();
  memory.clear();
  await (await database)?.clear(STORE);
  await clearDrafts();
}
