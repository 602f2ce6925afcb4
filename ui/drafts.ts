/** Files in the making, kept in IndexedDB piece by piece: what a page leaves when it ends, a later one takes up. */
import { type IDBPDatabase, type IDBPTransaction, openDB } from "idb";
import { v7 } from "uuid";
import type { Draft, MessageType } from "../core/plugin.ts";
// As in menus.ts: so the bundler leaves the page's modules in one file.
import "./app.tsx";
import { prefix } from "./keep.ts";
import { type Item, post } from "./outbox.ts";
import { currentId } from "./rooms.ts";
import { me } from "./session.ts";

const HEADS = "drafts";
const PIECES = "pieces";
/** A page that ends may hold what it held a little longer. */
const RELEASE_MS = 1_000;
/** A browser that takes longer to store has to go on without. */
const STORE_PATIENCE_MS = 1_000;

/** `item` is the message that it has become, from when it is sent until it is in the outbox. */
type Head = { id: string; type: string; person: string; about: string; item?: Promised };
type Promised = Omit<Item, "at" | "failed">;
type Release = () => void;

/** Those that this page holds. */
const mine = new Set<string>();
// Without locks, tabs would take each other's drafts; without IndexedDB, a draft lasts as long as the page.
const database: Promise<IDBPDatabase | undefined> = open().catch(() => undefined);

async function open(): Promise<IDBPDatabase | undefined> {
  if (!navigator.locks) return undefined;
  return openDB(prefix + HEADS, 1, {
    upgrade(db) {
      db.createObjectStore(HEADS, { keyPath: "id" });
      db.createObjectStore(PIECES);
    },
  });
}

class Growing implements Draft {
  readonly about: string;
  kept = false;
  readonly #message: MessageType;
  readonly #head: Head;
  readonly #pieces: Blob[];
  #release: Release | undefined;
  #dropped = false;
  /** What is written comes one after the other, so that what a page leaves has no gaps. */
  #last: Promise<void> = Promise.resolve();

  /** With `release`, it is one that is stored already, and held. */
  constructor(message: MessageType, head: Head, pieces: Blob[] = [], release?: Release) {
    this.about = head.about;
    this.#message = message;
    this.#head = head;
    this.#pieces = pieces;
    this.#release = release;
    if (release) this.kept = true;
    else void this.#write(db => this.#begin(db));
  }

  async #begin(db: IDBPDatabase): Promise<void> {
    this.#release = await hold(this.#head.id);
    if (!this.#release) return;
    await db.put(HEADS, this.#head);
    this.kept = true;
  }

  add(piece: Blob): void {
    if (this.#dropped || piece.size === 0) return;
    const at = this.#pieces.push(piece);
    const { id } = this.#head;
    void this.#write(async db => {
      const bytes = await piece.arrayBuffer();
      const { type } = piece;
      // What comes after one that found no room would be of no use.
      if (this.kept) await change(db, id, tx => tx.objectStore(PIECES).put({ bytes, type }, [id, at]));
    });
  }

  file(): Blob {
    return new Blob(this.#pieces, { type: this.#pieces[0]?.type ?? "" });
  }

  /**
   * Draft and outbox are two databases, and the page may end between any two steps. So what was decided is written down
   * first, with the id that the message will have. From then on no page offers the draft again: whichever finds it puts
   * the message into the outbox once more, and as a node takes an id once, it stands there once.
   */
  async send(body: unknown, { room = currentId.peek(), ref }: { room?: string; ref?: string } = {}): Promise<void> {
    const { type } = this.#message;
    const item = { id: v7(), type, room, body: this.#message.parse(body), ...(ref && { ref }) };
    const head = { ...this.#head, item };
    const written = this.#write(db => change(db, head.id, tx => tx.objectStore(HEADS).put(head)));
    await Promise.race([written, new Promise(done => setTimeout(done, STORE_PATIENCE_MS))]);
    await post(item);
    this.drop();
  }

  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    void this.#write(db => remove(db, this.#head.id)).then(() => this.#release?.());
  }

  #write(write: (db: IDBPDatabase) => Promise<void>): Promise<void> {
    this.#last = this.#last
      .then(() => database)
      .then(db => db && write(db))
      .catch(() => {
        // No room, or the browser took the database away: what is made goes on in memory.
        this.kept = false;
      });
    return this.#last;
  }
}

export function beginDraft(message: MessageType, about: string): Draft {
  return new Growing(message, { id: v7(), type: message.type, person: me.peek().id, about });
}

/** The oldest one that no page holds. Sends those that were about to be sent, and forgets those of other people. */
export async function takeDraft(message: MessageType): Promise<Draft | undefined> {
  const db = await database;
  const { id: person } = me.peek();
  if (!db || person === "") return undefined;
  for (const { id, type } of (await db.getAll(HEADS)) as Head[]) {
    const release = type === message.type && !mine.has(id) && (await hold(id, RELEASE_MS));
    if (!release) continue;
    // It was looked at before it was held.
    const head: Head | undefined = await db.get(HEADS, id);
    if (head?.person === person && !head.item) {
      const pieces: { bytes: ArrayBuffer; type: string }[] = await db.getAll(PIECES, all(id));
      const blobs = pieces.map(({ bytes, type }) => new Blob([bytes], { type }));
      return new Growing(message, head, blobs, release);
    }
    if (head?.item && head.person === person) await post(head.item);
    await remove(db, id);
    release();
  }
  return undefined;
}

/** The messages that were about to be sent when their page ended: their files are still needed. */
export async function promised(): Promise<Promised[]> {
  const heads: Head[] = (await (await database)?.getAll(HEADS)) ?? [];
  return heads.flatMap(({ item }) => item ?? []);
}

/** The person has logged out. */
export async function clearDrafts(): Promise<void> {
  const tx = (await database)?.transaction([HEADS, PIECES], "readwrite");
  await Promise.all([tx?.objectStore(HEADS).clear(), tx?.objectStore(PIECES).clear(), tx?.done]);
}

/** Holds it as long as the page lives, unless it is released; undefined where another page still holds it after `patienceMs`. */
function hold(id: string, patienceMs?: number): Promise<Release | undefined> {
  return new Promise(held => {
    const until = (release: () => void) => {
      mine.add(id);
      held(() => {
        mine.delete(id);
        release();
      });
    };
    const options = patienceMs === undefined ? {} : { signal: AbortSignal.timeout(patienceMs) };
    navigator.locks
      .request(`${prefix}${HEADS}/${id}`, options, () => new Promise<void>(until))
      .catch(() => held(undefined));
  });
}

/** Does nothing where the draft is gone: the person may have logged out in another tab. */
async function change(db: IDBPDatabase, id: string, act: (tx: Change) => Promise<unknown>): Promise<void> {
  const tx = db.transaction([HEADS, PIECES], "readwrite");
  const found = tx.objectStore(HEADS).getKey(id);
  await Promise.all([found.then(key => key && act(tx)), tx.done]);
}

type Change = IDBPTransaction<unknown, string[], "readwrite">;

async function remove(db: IDBPDatabase, id: string): Promise<void> {
  const tx = db.transaction([HEADS, PIECES], "readwrite");
  await Promise.all([tx.objectStore(HEADS).delete(id), tx.objectStore(PIECES).delete(all(id)), tx.done]);
}

/** The keys of its pieces. */
const all = (id: string) => IDBKeyRange.bound([id], [id, []]);
