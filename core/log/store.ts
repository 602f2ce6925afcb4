/** The durable log in SQLite: synchronous functions, called on the log's worker threads only. */
import { hash, randomBytes } from "node:crypto";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Draft, Envelope } from "../envelope.ts";
import { hashContent, ORIGIN_LENGTH, placeOf } from "../envelope.ts";
import { type Code, Reject } from "../errors.ts";
import { MIGRATIONS } from "./schema.ts";

/** Where a stream ends on this node: the last seq, and the running hash of everything up to it. */
export type Head = { seq: number; chain: string };
/** An envelope and its place in this node's own commit order. */
export type Stored = Envelope & { pos: number };
/** A reader's place in a room: the last `n` it has of each origin. */
export type Cursor = Record<string, number>;

export type Outcome =
  | { status: "stored"; envelope: Stored }
  /** This author wrote that id before; the place is the first one's. */
  | { status: "known"; place: Pick<Envelope, "origin" | "n" | "hlc" | "seq"> }
  | { status: "refused"; code: Code; message: string };

/** `origin` is the stream that this node writes. */
export type Appended = { outcomes: Outcome[]; heads: Record<string, Head>; origin: string | undefined };
export type Page = { envelopes: Stored[]; older: boolean };

const COLUMNS =
  "origin, seq, room, n, hlc, type, version, role, author, authorName, id, ref, alt, body, blobs, salt, contentHash, extra";
const EMPTY_CHAIN = "";
/** A row counts unless the same id stands at a lower key: two halves of a partition may both have accepted it. */
const COUNTS = `NOT EXISTS (SELECT 1 FROM log d WHERE d.id = log.id AND d.pos <> log.pos
  AND (d.hlc, d.origin, d.n) < (log.hlc, log.origin, log.n))`;

export class Store {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #heads = new Map<string, Head & { hlc: number }>();
  /** Last n by origin and room; read from the index once, then kept. */
  readonly #counts = new Map<string, number>();
  #origin: string | undefined;

  /** Throws `Reject` where the file is damaged, newer than this program, or not usable. */
  constructor(path: string, { readOnly = false } = {}) {
    try {
      this.#db = new DatabaseSync(path, { readOnly });
      this.#db.exec("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY");
      if (!readOnly) {
        this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
        this.#migrate();
        for (const row of this.#all("SELECT origin, seq, chain, hlc FROM streams"))
          this.#heads.set(row.origin as string, {
            seq: row.seq as number,
            chain: hex(row.chain as Uint8Array),
            hlc: row.hlc as number,
          });
        this.#origin = this.setting("origin");
      }
    } catch (error) {
      throw explain(error, path);
    }
  }

  close(): void {
    this.#db.close();
  }

  #migrate(): void {
    const version = this.#db.prepare("PRAGMA user_version").get()?.user_version as number;
    if (version > MIGRATIONS.length)
      throw new Reject(
        "database-newer",
        `the database has version ${version}, this program knows ${MIGRATIONS.length}: run a newer web-chat on it`,
      );
    for (const [step, sql] of MIGRATIONS.entries()) {
      if (step < version) continue;
      this.#db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${step + 1}; COMMIT`);
    }
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.#prepare(sql).all(...values);
  }

  #get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepare(sql).get(...values);
  }

  /**
   * Commits a group in one transaction, synced to disk before it returns. Drafts get their place in this node's own
   * stream; a peer's envelopes are taken where they continue their stream, and skipped otherwise. All or nothing: throws
   * `Reject` with nothing stored where the disk refuses.
   */
  append(group: readonly (Draft | Envelope)[], now: number): Appended {
    const before = { heads: new Map(this.#heads), counts: new Map<string, number>(), origin: this.#origin };
    const touched = new Set<string>();
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const outcomes = group.map(item => {
        const outcome = "seq" in item ? this.#appendPeers(item, now) : this.#appendOwn(item, now);
        if (outcome.status === "stored") touched.add(outcome.envelope.origin);
        return outcome;
      });
      for (const origin of touched) {
        const head = this.#heads.get(origin) as Head & { hlc: number };
        this.#prepare("INSERT OR REPLACE INTO streams (origin, seq, chain, hlc) VALUES (?, ?, ?, ?)").run(
          origin,
          head.seq,
          Buffer.from(head.chain, "hex"),
          head.hlc,
        );
      }
      this.#db.exec("COMMIT");
      const heads = Object.fromEntries([...touched].map(origin => [origin, this.#head(origin)]));
      return { outcomes, heads, origin: this.#origin };
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
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
    const known = this.#get(
      "SELECT origin, seq, n, hlc, author FROM log WHERE id = ? ORDER BY hlc, origin, n",
      draft.id,
    );
    if (known && known.author !== draft.author)
      return { status: "refused", code: "invalid", message: "the id belongs to somebody else's message" };
    if (known) {
      const { origin, seq, n, hlc } = known as Pick<Envelope, "origin" | "seq" | "n" | "hlc">;
      return { status: "known", place: { origin, seq, n, hlc } };
    }
    this.#origin ??= this.#mint();
    const origin = this.#origin;
    const salt = randomBytes(16);
    const place = { origin, seq: this.#head(origin).seq + 1, n: this.#count(origin, draft.room) + 1 };
    const contentHash = hashContent(salt, draft.alt, draft.blobs, draft.body);
    return this.#insert({ ...draft, ...place, salt, contentHash }, now);
  }

  #appendPeers(envelope: Envelope, now: number): Outcome {
    const { origin, seq, n, room } = envelope;
    if (seq !== this.#head(origin).seq + 1)
      return { status: "refused", code: "invalid", message: "does not continue its stream" };
    if (n !== this.#count(origin, room) + 1)
      return { status: "refused", code: "invalid", message: "does not continue its room" };
    return this.#insert(envelope, now);
  }

  #insert(given: Envelope, now: number): Outcome {
    const erasing = given.role === "erase";
    const emptied = !erasing && this.#erasedBefore(given);
    const e: Envelope = emptied ? { ...given, alt: null, body: null, blobs: [], salt: null } : given;
    const head = this.#heads.get(e.origin);
    const chain = hashChain(head?.chain ?? EMPTY_CHAIN, e);
    const { lastInsertRowid } = this.#prepare(
      `INSERT INTO log (${COLUMNS}, chain, receivedAt) VALUES (${"?, ".repeat(19)}?)`,
    ).run(
      e.origin,
      e.seq,
      e.room,
      e.n,
      e.hlc,
      e.type,
      e.version,
      e.role,
      e.author,
      e.authorName,
      e.id,
      e.ref,
      e.alt,
      e.body,
      JSON.stringify(e.blobs),
      e.salt,
      e.contentHash,
      e.extra,
      Buffer.from(chain, "hex"),
      now,
    );
    this.#heads.set(e.origin, { seq: e.seq, chain, hlc: Math.max(head?.hlc ?? 0, e.hlc) });
    this.#counts.set(`${e.origin}${e.room}`, e.n);
    if (erasing && e.ref !== null) this.#erase(e.ref, e.author);
    return { status: "stored", envelope: { ...e, pos: Number(lastInsertRowid) } };
  }

  /** An erasure empties what its own author wrote, and may arrive before it. */
  #erasedBefore({ id, author }: Envelope): boolean {
    return this.#get("SELECT 1 FROM log WHERE ref = ? AND role = 'erase' AND author = ?", id, author) !== undefined;
  }

  #erase(id: string, author: string): void {
    this.#prepare(
      `UPDATE log SET alt = NULL, body = NULL, blobs = '[]', salt = NULL
       WHERE id = ? AND author = ? AND role NOT IN ('erase', 'fact')`,
    ).run(id, author);
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
      n = this.#lastN(origin, room);
      this.#counts.set(key, n);
    }
    return n;
  }

  #lastN(origin: string, room: string, upTo = Number.MAX_SAFE_INTEGER): number {
    const row = this.#get(
      "SELECT n FROM log WHERE room = ? AND origin = ? AND pos <= ? ORDER BY n DESC LIMIT 1",
      room,
      origin,
      upTo,
    );
    return (row?.n as number | undefined) ?? 0;
  }

  setting(name: string): string | undefined {
    return this.#get("SELECT value FROM settings WHERE name = ?", name)?.value as string | undefined;
  }

  set(name: string, value: string): void {
    this.#prepare("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)").run(name, value);
  }

  /** The stream that this node writes; undefined before its first write. */
  origin(): string | undefined {
    return this.setting("origin");
  }

  heads(): Record<string, Head> {
    const rows = this.#all("SELECT origin, seq, chain FROM streams ORDER BY origin");
    return Object.fromEntries(
      rows.map(row => [row.origin as string, { seq: row.seq as number, chain: hex(row.chain as Uint8Array) }]),
    );
  }

  /** The latest hlc in this node's own stream. */
  lastHlc(): number {
    const row = this.#get("SELECT hlc FROM streams WHERE origin = (SELECT value FROM settings WHERE name = 'origin')");
    return (row?.hlc as number | undefined) ?? 0;
  }

  lastPos(): number {
    return (this.#get("SELECT max(pos) AS pos FROM log")?.pos as number | null) ?? 0;
  }

  /** One hash for everything in the log: equal on two nodes that hold the same. */
  digest(): string {
    return hash("sha256", JSON.stringify(Object.entries(this.heads())));
  }

  /** What follows `after` in a stream, in order; as much as fits, at least one. */
  stream(origin: string, after: number, maxCount: number, maxBytes: number): Envelope[] {
    const envelopes: Envelope[] = [];
    let bytes = 0;
    const rows = this.#prepare(`SELECT ${COLUMNS} FROM log WHERE origin = ? AND seq > ? ORDER BY seq LIMIT ?`);
    for (const row of rows.iterate(origin, after, maxCount)) {
      const envelope = toEnvelope(row);
      bytes += 512 + (envelope.body?.length ?? 0) + (envelope.alt?.length ?? 0) * 3;
      if (envelopes.length > 0 && bytes > maxBytes) break;
      envelopes.push(envelope);
    }
    return envelopes;
  }

  /** The core's own facts in commit order. */
  facts(afterPos: number, limit: number): Stored[] {
    return this.#stored("WHERE role = 'fact' AND pos > ? ORDER BY pos LIMIT ?", afterPos, limit);
  }

  /** A reader's cursor at commit `upTo`. */
  cursor(room: string, upTo: number): Cursor {
    const cursor: Cursor = {};
    for (const { origin } of this.#all("SELECT origin FROM streams")) {
      const n = this.#lastN(origin as string, room, upTo);
      if (n > 0) cursor[origin as string] = n;
    }
    return cursor;
  }

  /** What a room got after `cursor` and up to commit `upTo`, oldest first, with the cursor after it. */
  resume(
    room: string,
    cursor: Cursor,
    upTo: number,
    limit: number,
  ): { envelopes: Stored[]; cursor: Cursor; more: boolean } {
    const next: Cursor = { ...cursor };
    const envelopes: Stored[] = [];
    let more = false;
    for (const { origin } of this.#all("SELECT origin FROM streams")) {
      const room_ = this.#stored(
        "WHERE room = ? AND origin = ? AND n > ? AND pos <= ? ORDER BY n LIMIT ?",
        room,
        origin as string,
        cursor[origin as string] ?? 0,
        upTo,
        limit - envelopes.length + 1,
      );
      if (room_.length > limit - envelopes.length) {
        more = true;
        room_.length = limit - envelopes.length;
      }
      const last = room_.at(-1);
      if (last) next[last.origin] = last.n;
      envelopes.push(...room_);
    }
    return { envelopes: envelopes.sort(byKey), cursor: next, more };
  }

  /** A page of rows with what belongs to them: the newest, or those before or after a place. */
  page(room: string, from: { before?: string; after?: string }, limit: number, upTo: number): Page {
    const edge = from.before ?? from.after;
    const place = edge === undefined ? undefined : this.#placeOf(edge);
    if (edge !== undefined && !place) throw new Reject("not-found", "no message has that key or id");
    const back = from.after === undefined;
    const rows = this.#stored(
      `WHERE room = ? AND role = 'row' AND pos <= ? AND (hlc, origin, n) ${back ? "<" : ">"} (?, ?, ?) AND ${COUNTS}
       ORDER BY hlc ${back ? "DESC" : ""}, origin ${back ? "DESC" : ""}, n ${back ? "DESC" : ""} LIMIT ?`,
      room,
      upTo,
      place?.hlc ?? Number.MAX_SAFE_INTEGER,
      place?.origin ?? "~",
      place?.n ?? 0,
      limit + 1,
    );
    const beyond = rows.length > limit;
    if (beyond) rows.pop();
    const marks = rows.flatMap(row => this.referring(room, row.id));
    return { envelopes: [...rows, ...marks].sort(byKey), older: back ? beyond : true };
  }

  /** What refers to a message, other than rows that answer it. */
  referring(room: string, id: string): Stored[] {
    return this.#stored("WHERE ref = ? AND room = ? AND role IN ('mark', 'replace') ORDER BY hlc, origin, n", id, room);
  }

  /** The message of that id, at its lowest key. */
  find(id: string): Stored | undefined {
    return this.#stored("WHERE id = ? AND role <> 'fact' ORDER BY hlc, origin, n LIMIT 1", id)[0];
  }

  #placeOf(keyOrId: string): Pick<Envelope, "hlc" | "origin" | "n"> | undefined {
    return placeOf(keyOrId) ?? this.find(keyOrId);
  }

  #stored(where: string, ...values: SQLInputValue[]): Stored[] {
    return this.#all(`SELECT pos, ${COLUMNS} FROM log ${where}`, ...values).map(row => ({
      ...toEnvelope(row),
      pos: row.pos as number,
    }));
  }

  pragma(name: "synchronous" | "journal_mode"): unknown {
    return this.#db.prepare(`PRAGMA ${name}`).get()?.[name];
  }

  /** Moves what the write-ahead log holds into the database; `TRUNCATE` also leaves none of it behind. */
  checkpoint(mode: "PASSIVE" | "TRUNCATE"): void {
    this.#db.exec(`PRAGMA wal_checkpoint(${mode})`);
  }
}

function toEnvelope(row: Record<string, unknown>): Envelope {
  return { ...(row as Envelope), blobs: row.blobs === "[]" ? [] : JSON.parse(row.blobs as string) };
}

export function byKey(a: Envelope, b: Envelope): number {
  return a.hlc - b.hlc || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : a.n - b.n);
}

/** The running hash after `e`: header (without salt) and contentHash upon the hash before. Half of a SHA-256, in hex. */
function hashChain(before: string, e: Envelope): string {
  const header = [e.origin, e.seq, e.room, e.n, e.hlc, e.type, e.version, e.role, e.author, e.authorName, e.id, e.ref];
  const rest = [hex(e.contentHash), e.extra === null ? null : hex(e.extra)];
  return hash("sha256", JSON.stringify([before, ...header, ...rest])).slice(0, 32);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");

/** 80 random bits as digits and lower-case letters: sorts and compares as bytes do, everywhere. */
function randomOrigin(): string {
  return Array.from(randomBytes(ORIGIN_LENGTH), byte => (byte % 32).toString(32)).join("");
}

// https://www.sqlite.org/rescode.html
const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
const SQLITE_CANTOPEN = 14;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/** What went wrong in SQLite, as a `Reject` in words for people. */
function explain(error: unknown, path = "the database"): Reject {
  if (error instanceof Reject) return error;
  const { errcode, message } = error as { errcode?: number; message: string };
  const primary = errcode === undefined ? undefined : errcode & 0xff;
  if (primary === SQLITE_FULL) return new Reject("no-space");
  if (primary === SQLITE_CORRUPT || primary === SQLITE_NOTADB)
    return new Reject(
      "database-corrupt",
      `${path} is damaged (${message}): restore a backup, or move it away and let the other nodes fill a new one`,
    );
  if (primary === SQLITE_CANTOPEN || primary === SQLITE_READONLY)
    return new Reject("data-dir", `${path} cannot be written (${message}): set DATA_DIR to a folder that can`);
  if (primary === SQLITE_IOERR) return new Reject("storage-failed", `the disk failed (${message}); nothing was stored`);
  return new Reject("storage-failed", message);
}
