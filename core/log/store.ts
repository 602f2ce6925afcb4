/** The durable log in SQLite: synchronous functions, called on the log's worker threads only. */
import { randomBytes, randomFillSync } from "node:crypto";
import { EMPTY_CHAIN, type Head, hashChain, hex } from "../chain.ts";
import {
  type Draft,
  type Envelope,
  FACT,
  FIELDS,
  hashContent,
  isGenuine,
  ORIGIN_LENGTH,
  unpackEnvelopes,
} from "../envelope.ts";
import { type Code, Reject } from "../errors.ts";
import { BUSY_MS, explain, openDatabase } from "./database.ts";
import { abridge } from "./outcomes.ts";
import { COLUMNS, Reads, type Stored } from "./reads.ts";

export type Outcome =
  | { status: "stored"; envelope: Stored }
  /** This author wrote that id before; the place is the first one's. */
  | { status: "known"; place: Pick<Envelope, "origin" | "n" | "hlc" | "seq"> }
  | { status: "refused"; code: Code; message: string };

/** `origin` is the stream that this node writes. */
export type Appended = { outcomes: Outcome[]; heads: Record<string, Head>; origin: string | undefined };

/** A stretch of a stream, as a peer packed it. */
export type Segment = { origin: string; packed: Uint8Array };

/** What became of a segment. */
export type Taken = {
  /** Envelopes stored, at this commit and the ones after it. */
  count: number;
  first: number;
  /** Envelopes before those: they were here already. */
  skipped: number;
  /** The latest time, the rooms, and the core's own facts among those stored. */
  hlc: number;
  rooms: string[];
  facts: Stored[];
  /** Those that had been erased before they came, counted from the first stored. */
  emptied: number[];
  erases: boolean;
  /** Why the rest was not stored; undefined where there is none. */
  refused: string | undefined;
};

const INSERT = `INSERT INTO log (${COLUMNS}, chain, receivedAt) VALUES (${"?, ".repeat(FIELDS.length + 1)}?)`;
const SALT_BYTES = 16;
const NOTHING_TAKEN = { count: 0, first: 0, skipped: 0, hlc: 0, rooms: [], erases: false, refused: undefined };

export class Store extends Reads {
  readonly #heads = new Map<string, Head & { hlc: number }>();
  /** Last n by origin and room; read from the index once, then kept. */
  readonly #counts = new Map<string, number>();
  /** What has been erased, by id: next to nothing is, and then nothing needs to be looked up. */
  readonly #erased: Set<string>;
  readonly #salts = Buffer.alloc(256 * SALT_BYTES);
  #saltsLeft = 0;
  #origin: string | undefined;

  /** Throws `Reject` where the file is damaged, newer than this program, or not usable. */
  constructor(path: string, { readOnly = false } = {}) {
    super(openDatabase(path, { readOnly }));
    for (const { origin, seq, chain, hlc } of this.all("SELECT origin, seq, chain, hlc FROM streams")) {
      const head = { seq: seq as number, chain: hex(chain as Uint8Array), hlc: hlc as number };
      this.#heads.set(origin as string, head);
    }
    this.#origin = this.setting("origin");
    const erasures = readOnly ? [] : this.all("SELECT ref FROM log WHERE role = 'erase' AND ref IS NOT NULL");
    this.#erased = new Set(erasures.map(({ ref }) => ref as string));
  }

  /** As `append`, without what the caller has: for callers on another thread, who put it back with `unabridge`. */
  appendBriefly(group: readonly (Draft | Envelope)[], now: number) {
    const { outcomes, ...appended } = this.append(group, now);
    return { ...appended, outcomes: abridge(group, outcomes) };
  }

  /**
   * Commits a group in one transaction, synced to disk before it returns. Drafts get their place in this node's own
   * stream; a peer's envelopes are taken where they continue their stream, and skipped otherwise. All or nothing: throws
   * `Reject` with nothing stored where the disk refuses.
   */
  append(group: readonly (Draft | Envelope)[], now: number): Appended {
    const { result: outcomes, heads } = this.#commit(touched =>
      group.map(item => {
        const outcome = "seq" in item ? this.#appendPeers(item, now) : this.#appendOwn(item, now);
        if (outcome.status === "stored") touched.add(outcome.envelope.origin);
        return outcome;
      }),
    );
    return { outcomes, heads, origin: this.#origin };
  }

  /** Commits as much of peers' segments as continues their streams and is genuine, in one transaction as `append` does. */
  take(segments: readonly Segment[], now: number): { taken: Taken[]; heads: Record<string, Head> } {
    const { result: taken, heads } = this.#commit(touched =>
      segments.map(segment => {
        const taken = this.#take(segment, now);
        if (taken.count > 0) touched.add(segment.origin);
        return taken;
      }),
    );
    return { taken, heads };
  }

  #commit<Result>(work: (touched: Set<string>) => Result): { result: Result; heads: Record<string, Head> } {
    const before = { heads: new Map(this.#heads), origin: this.#origin };
    const touched = new Set<string>();
    try {
      this.db.exec("BEGIN IMMEDIATE");
      const result = work(touched);
      for (const origin of touched) {
        const head = this.#heads.get(origin) as Head & { hlc: number };
        this.prepare("INSERT OR REPLACE INTO streams (origin, seq, chain, hlc) VALUES (?, ?, ?, ?)").run(
          origin,
          head.seq,
          Buffer.from(head.chain, "hex"),
          head.hlc,
        );
      }
      this.db.exec("COMMIT");
      const heads = Object.fromEntries([...touched].map(origin => [origin, this.#head(origin)]));
      return { result, heads };
    } catch (error) {
      if (this.db.isTransaction) this.db.exec("ROLLBACK");
      this.#heads.clear();
      for (const [origin, head] of before.heads) this.#heads.set(origin, head);
      this.#counts.clear();
      this.#origin = before.origin;
      throw explain(error);
    }
  }

  #head(origin: string): Head {
    const { seq, chain } = this.#heads.get(origin) ?? { seq: 0, chain: EMPTY_CHAIN };
    return { seq, chain };
  }

  #appendOwn(draft: Draft, now: number): Outcome {
    const known = this.get(
      "SELECT origin, seq, n, hlc, author FROM log WHERE id = ? ORDER BY author <> ?, hlc, origin, n",
      draft.id,
      draft.author,
    );
    if (known && known.author !== draft.author)
      return { status: "refused", code: "invalid", message: "the id belongs to somebody else's message" };
    if (known) {
      const { origin, seq, n, hlc } = known as Pick<Envelope, "origin" | "seq" | "n" | "hlc">;
      return { status: "known", place: { origin, seq, n, hlc } };
    }
    this.#origin ??= this.#mint();
    const origin = this.#origin;
    const salt = this.#salt();
    const place = { origin, seq: this.#head(origin).seq + 1, n: this.#count(origin, draft.room) + 1 };
    const contentHash = hashContent(salt, draft.alt, draft.blobs, draft.body);
    return this.#insert({ ...draft, ...place, salt, contentHash }, now);
  }

  /** Randomness is asked for in large pieces: one by one it took a fifth of the time of an append. */
  #salt(): Buffer {
    if (this.#saltsLeft === 0) {
      randomFillSync(this.#salts);
      this.#saltsLeft = this.#salts.length / SALT_BYTES;
    }
    const at = --this.#saltsLeft * SALT_BYTES;
    return Buffer.copyBytesFrom(this.#salts, at, SALT_BYTES);
  }

  #appendPeers(envelope: Envelope, now: number): Outcome {
    const { origin, seq, n, room } = envelope;
    if (seq !== this.#head(origin).seq + 1)
      return { status: "refused", code: "invalid", message: "does not continue its stream" };
    if (n !== this.#count(origin, room) + 1)
      return { status: "refused", code: "invalid", message: "does not continue its room" };
    return this.#insert(envelope, now);
  }

  #take({ origin, packed }: Segment, now: number): Taken {
    const rooms = new Set<string>();
    const taken: Taken = { ...NOTHING_TAKEN, facts: [], emptied: [] };
    try {
      for (const envelope of unpackEnvelopes(packed)) {
        if (taken.count === 0 && envelope.seq <= this.#head(origin).seq) {
          taken.skipped++;
          continue;
        }
        taken.refused = this.#refusal(envelope, origin);
        if (taken.refused !== undefined) break;
        const e = this.#asErased(envelope);
        const pos = this.#put(e, now);
        if (e !== envelope) taken.emptied.push(taken.count);
        if (taken.count++ === 0) taken.first = pos;
        taken.hlc = Math.max(taken.hlc, e.hlc);
        taken.erases ||= e.role === "erase";
        rooms.add(e.room);
        if (e.role === FACT) taken.facts.push({ ...e, pos });
      }
    } catch (error) {
      // What is damaged is the peer's fault; anything else is this node's, and undoes the commit.
      if (!(error instanceof Reject)) throw error;
      taken.refused = error.message;
    }
    taken.rooms = [...rooms];
    return taken;
  }

  #refusal(envelope: Envelope, origin: string): string | undefined {
    if (envelope.origin !== origin) return "is of another stream";
    if (envelope.seq !== this.#head(origin).seq + 1) return "does not continue its stream";
    if (envelope.n !== this.#count(origin, envelope.room) + 1) return "does not continue its room";
    return isGenuine(envelope) ? undefined : "its content does not match its hash";
  }

  #insert(given: Envelope, now: number): Outcome {
    const e = this.#asErased(given);
    return { status: "stored", envelope: { ...e, pos: this.#put(e, now) } };
  }

  /** As it is to be stored: empty where it was erased before it came. */
  #asErased(given: Envelope): Envelope {
    const emptied = given.role !== "erase" && this.#erasedBefore(given);
    return emptied ? { ...given, alt: null, body: null, blobs: [], salt: null } : given;
  }

  /** Returns its place in the commit order. */
  #put(e: Envelope, now: number): number {
    const head = this.#heads.get(e.origin);
    const chain = hashChain(head?.chain ?? EMPTY_CHAIN, e);
    const { lastInsertRowid } = this.prepare(INSERT).run(
      ...FIELDS.map(field => (field === "blobs" ? JSON.stringify(e.blobs) : e[field])),
      Buffer.from(chain, "hex"),
      now,
    );
    this.#heads.set(e.origin, { seq: e.seq, chain, hlc: Math.max(head?.hlc ?? 0, e.hlc) });
    this.#counts.set(`${e.origin}${e.room}`, e.n);
    if (e.role === "erase" && e.ref !== null) this.#erase(e.ref, e.author);
    return Number(lastInsertRowid);
  }

  /** An erasure empties what its own author wrote, and may arrive before it. */
  #erasedBefore({ id, author, role, ref }: Envelope): boolean {
    if (!this.#erased.has(id) && !(ref !== null && this.#erased.has(ref))) return false;
    const sql = "SELECT 1 FROM log WHERE ref IN (?, ?) AND role = 'erase' AND author = ?";
    // What supersedes a message goes with it.
    return this.get(sql, id, role === "replace" ? ref : null, author) !== undefined;
  }

  #erase(id: string, author: string): void {
    this.#erased.add(id);
    this.prepare(
      `UPDATE log SET alt = NULL, body = NULL, blobs = '[]', salt = NULL
       WHERE author = ? AND (id = ? AND role NOT IN ('erase', 'fact') OR ref = ? AND role = 'replace')`,
    ).run(author, id, id);
  }

  #mint(): string {
    const origin = randomOrigin();
    this.set("origin", origin);
    return origin;
  }

  #count(origin: string, room: string): number {
    const key = `${origin}${room}`;
    let n = this.#counts.get(key);
    if (n === undefined) {
      n = this.lastN(origin, room);
      this.#counts.set(key, n);
    }
    return n;
  }

  set(name: string, value: string): void {
    this.prepare("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)").run(name, value);
  }

  pragma(name: "synchronous" | "journal_mode"): unknown {
    return this.db.prepare(`PRAGMA ${name}`).get()?.[name];
  }

  /**
   * Moves what the write-ahead log holds into the database; `TRUNCATE` also leaves none of it behind. False where a reader
   * was in the way.
   */
  checkpoint(mode: "PASSIVE" | "TRUNCATE"): boolean {
    // A page of history is over by then. A backup reads for minutes, and who wants to write must not wait for it behind this.
    this.db.exec("PRAGMA busy_timeout = 20");
    try {
      return this.get(`PRAGMA wal_checkpoint(${mode})`)?.busy === 0;
    } finally {
      this.db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    }
  }

  /**
   * Ends this node's own stream at `seq`: its next write begins a new one. False where the stream has gone on since;
   * true, and nothing to do, where it is another node's.
   */
  abandon(origin: string, seq: number): boolean {
    if (origin !== this.#origin) return true;
    if (seq !== this.#head(origin).seq) return false;
    this.prepare("DELETE FROM settings WHERE name = 'origin'").run();
    this.#origin = undefined;
    return true;
  }
}

/** 80 random bits as digits and lower-case letters: sorts and compares as bytes do, everywhere. */
function randomOrigin(): string {
  return Array.from(randomBytes(ORIGIN_LENGTH), byte => (byte % 32).toString(32)).join("");
}
