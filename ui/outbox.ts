/** What was written and not yet committed. In IndexedDB, so that no reload loses it; shared with the other tabs. */
import { signal } from "@preact/signals";
import type { IDBPDatabase } from "idb";
import { v7 } from "uuid";
import { blobsOf, files, release } from "./blobs.ts";
import { prefix } from "./keep.ts";

const STORE = "outbox";
/** A browser that takes longer to store an item than this has to send it without. */
const STORE_PATIENCE_MS = 1_000;
/** An item that another tab wrote is that tab's to send, unless it takes this long. */
const FOREIGN_MS = 5_000;
const ASK_AGAIN_MS = 2_000;

export type Item = {
  readonly id: string;
  readonly type: string;
  readonly room: string;
  readonly body: unknown;
  readonly ref?: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Why the node does not want it; the person decides. */
  readonly failed?: { readonly code: string; readonly message: string };
  /** The node takes no more until then, in milliseconds since 1970. */
  readonly until?: number;
};
type News = { put: Item } | { gone: string } | { cleared: true };

/** In the order in which they were written. */
export const items = signal<readonly Item[]>([]);

/** When each may be sent, in milliseconds since 1970; missing until it is stored. */
const dueAt = new Map<string, number>();
const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(prefix + STORE);
// A private window may have no IndexedDB: then what is unsent lasts as long as the page.
const database: Promise<IDBPDatabase | undefined> = import("idb")
  .then(({ openDB }) =>
    openDB(prefix + STORE, 1, { upgrade: db => void db.createObjectStore(STORE, { keyPath: "id" }) }),
  )
  .catch(() => undefined);

/** Those that the node has committed, and that wait for another one. */
const held = new Set<string>();
let asking = false;

export const isHeld = (id: string) => held.has(id);
export const due = (id: string) => dueAt.get(id) ?? Number.POSITIVE_INFINITY;

/** Reads what the last visit left. */
export async function loadOutbox(): Promise<void> {
  const left: Item[] = (await database.then(db => db?.getAll(STORE)).catch(() => [])) ?? [];
  for (const { id } of left) dueAt.set(id, 0);
  items.value = sorted([...left, ...items.peek().filter(item => !left.some(({ id }) => id === item.id))]);
  if (left.some(item => blobsOf(item).length > 0))
    files()
      .then(({ showKept }) => showKept())
      .catch(() => {});
}

/** One that is written again under its `id` stands here once. */
export async function post(written: Omit<Item, "id" | "at"> & { id?: string }): Promise<void> {
  const item = { id: v7(), ...written, at: Date.now() };
  put(item);
  const patience = new Promise(done => setTimeout(done, STORE_PATIENCE_MS));
  await Promise.race([store(item), patience]);
  dueAt.set(item.id, 0);
  wake();
}

/** Has whoever watches the items look again: one of them has become due. */
export function wake(): void {
  items.value = [...items.peek()];
}

/** The node has it, and no other one yet: it stays here until one has, in nobody's way. */
export function hold(id: string, askAgainMs: number): void {
  if (!items.peek().some(item => item.id === id)) return;
  held.add(id);
  dueAt.delete(id);
  askLater(askAgainMs);
}

/** A node that has one has all before it: it does to ask about the first. */
function askLater(ms: number): void {
  if (asking || held.size === 0) return;
  asking = true;
  setTimeout(() => {
    asking = false;
    const first = items.peek().find(item => held.has(item.id));
    if (first) dueAt.set(first.id, 0);
    wake();
  }, ms);
}

/** The connection broke: another node may have to take them. */
export function unholdAll(): void {
  for (const id of held) dueAt.set(id, 0);
  held.clear();
}

/** It is committed, or the person gave it up. */
export function drop(id: string): void {
  const item = items.peek().find(item => item.id === id);
  remove(id);
  if (item) release(item);
  channel?.postMessage({ gone: id } satisfies News);
  database.then(db => db?.delete(STORE, id)).catch(() => {});
}

/** Sent again after that time by itself. */
export function delay(id: string, ms: number): void {
  const item = items.peek().find(item => item.id === id);
  if (!item) return;
  const until = Date.now() + ms;
  dueAt.set(id, until);
  put({ ...item, until });
  setTimeout(wake, ms + 10);
}

export function fail(id: string, code: string, message: string): void {
  change(id, item => ({ ...item, failed: { code, message } }));
}

/** Once more, under the same id: should it have been committed after all, it stands there once. */
export function retry(id: string): void {
  change(id, ({ failed: _, ...item }) => item);
}

export async function clearOutbox(): Promise<void> {
  items.value = [];
  channel?.postMessage({ cleared: true } satisfies News);
  await database.then(db => db?.clear(STORE)).catch(() => {});
  await files()
    .then(({ clearFiles }) => clearFiles())
    .catch(() => {});
}

function change(id: string, to: (item: Item) => Item): void {
  const item = items.peek().find(item => item.id === id);
  if (!item) return;
  dueAt.set(id, 0);
  put(to(item));
  store(to(item));
}

async function store(item: Item): Promise<void> {
  channel?.postMessage({ put: item } satisfies News);
  await database.then(db => db?.put(STORE, item)).catch(() => {});
}

function put(item: Item): void {
  items.value = sorted([...items.peek().filter(({ id }) => id !== item.id), item]);
}

function remove(id: string): void {
  dueAt.delete(id);
  if (held.delete(id)) askLater(ASK_AGAIN_MS);
  if (items.peek().some(item => item.id === id)) items.value = items.peek().filter(item => item.id !== id);
}

/** Version 7 ids sort by the time at which they were made. */
function sorted(list: Item[]): Item[] {
  return list.sort((a, b) => (a.id < b.id ? -1 : 1));
}

channel?.addEventListener("message", ({ data }: MessageEvent<News>) => {
  if ("put" in data) {
    dueAt.set(data.put.id, Date.now() + FOREIGN_MS);
    put(data.put);
    setTimeout(wake, FOREIGN_MS + 10);
  } else if ("gone" in data) remove(data.gone);
  else items.value = [];
});
