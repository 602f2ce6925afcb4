/** What is read of the log's database: streams for peers, rooms for people. */
import type { SQLInputValue } from "node:sqlite";
import { digestOf, EMPTY_CHAIN, type Head, hex } from "../chain.ts";
import { type Envelope, encode, FIELDS, frameBytes, placeOf } from "../envelope.ts";
import { Reject } from "../errors.ts";
import type { Fork } from "../forks.ts";
import { Statements } from "./statements.ts";

/** An envelope and its place in this node's own commit order. */
export type Stored = Envelope & { pos: number };
/** A reader's place in a room: the last `n` it has of each origin. */
export type Cursor = Record<string, number>;
/** The ids of the last messages that a reader has, by origin. */
export type LastIds = Record<string, string>;

export type Packed = { follows: string | undefined; packed: Uint8Array<ArrayBuffer> };
/** Where a message stands in its room. */
export type Place = Pick<Envelope, "hlc" | "origin" | "n">;
export type Page = { envelopes: Stored[]; older: boolean };

/** The blobs that an envelope refers to, and its place in this node's commit order. */
export type References = { pos: number; blobs: string[] };

export const COLUMNS = FIELDS.join(", ");
/**
 * A row counts unless its author has the same one at a lower key: two halves of a partition may both have accepted it.
 * Left to itself SQLite looks for it through the whole room, by the index on rows.
 */
export const COUNTS = `NOT EXISTS (SELECT 1 FROM log d INDEXED BY log_id WHERE d.id = log.id AND d.author = log.author AND d.room = log.room
  AND d.role = 'row' AND d.pos <> log.pos AND (d.hlc, d.origin, d.n) < (log.hlc, log.origin, log.n))`;

/** A page that has so much ends with the row that it has come to, and that row's marks. */
export const MAX_PAGE_BYTES = 1 << 20;

const STREAM = `SELECT ${COLUMNS} FROM log WHERE origin = ? AND seq > ? ORDER BY seq LIMIT ?`;
const [ALT, BODY, BLOBS] = (["alt", "body", "blobs"] as const).map(field => FIELDS.indexOf(field)) as [
  number,
  number,
  number,
];

export class Reads extends Statements {
  protected lastN(origin: string, room: string, upTo = Number.MAX_SAFE_INTEGER): number {
    const row = this.get(
      "SELECT n FROM log WHERE room = ? AND origin = ? AND pos <= ? ORDER BY n DESC LIMIT 1",
      room,
      origin,
      upTo,
    );
    return (row?.n as number | undefined) ?? 0;
  }

  setting(name: string): string | undefined {
    return this.get("SELECT value FROM settings WHERE name = ?", name)?.value as string | undefined;
  }

  /** The stream that this node writes; undefined before its first write. */
  origin(): string | undefined {
    return this.setting("origin");
  }

  heads(): Record<string, Head> {
    const rows = this.all("SELECT origin, seq, chain FROM streams ORDER BY origin");
    return Object.fromEntries(
      rows.map(row => [row.origin as string, { seq: row.seq as number, chain: hex(row.chain as Uint8Array) }]),
    );
  }

  /** The latest hlc in this node's own stream. */
  lastHlc(): number {
    const row = this.get("SELECT hlc FROM streams WHERE origin = (SELECT value FROM settings WHERE name = 'origin')");
    return (row?.hlc as number | undefined) ?? 0;
  }

  /** The latest hlc of all streams. */
  latestHlc(): number {
    return (this.get("SELECT max(hlc) AS hlc FROM streams")?.hlc as number | null) ?? 0;
  }

  lastPos(): number {
    return (this.get("SELECT max(pos) AS pos FROM log")?.pos as number | null) ?? 0;
  }

  digest(): string {
    return digestOf(this.heads());
  }

  /**
   * What follows `after` in a stream, in order, packed as it crosses the cluster; as much as fits, at least one. `follows` is
   * the running hash at `after`, where the stream goes that far.
   */
  stream(origin: string, after: number, maxCount: number, maxBytes: number): Packed {
    const statement = this.prepare(STREAM);
    // The columns have the order of the wire.
    statement.setReturnArrays(true);
    const rows = statement.iterate(origin, after, maxCount) as unknown as Iterable<unknown[]>;
    const follows = after === 0 ? EMPTY_CHAIN : this.chainsAt({ [origin]: after })[origin];
    return { follows, packed: encode(takeUpTo(maxBytes, rows, wireOf, wire => frameBytes(partsOf(wire)))) };
  }

  /** What was committed after `after` and up to `upTo`, in commit order; as much as fits, at least one. */
  since(after: number, upTo: number, maxCount: number, maxBytes: number): Stored[] {
    const rows = this.prepare(`SELECT pos, ${COLUMNS} FROM log WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?`);
    return takeUpTo(maxBytes, rows.iterate(after, upTo, maxCount), toStored, frameBytes);
  }

  /** Where each stream ended at commit `upTo`, in the order of their origins. */
  headsAt(upTo: number): Record<string, Head> {
    return Object.fromEntries(
      this.all("SELECT origin FROM streams ORDER BY origin").flatMap(({ origin }) => {
        const last = this.get(
          "SELECT seq, chain FROM log WHERE origin = ? AND pos <= ? ORDER BY seq DESC LIMIT 1",
          origin as string,
          upTo,
        );
        return last ? [[origin, { seq: last.seq as number, chain: hex(last.chain as Uint8Array) }]] : [];
      }),
    );
  }

  /** The running hashes of streams at the places asked for; of those that this log has. */
  chainsAt(places: Readonly<Record<string, number>>): Record<string, string> {
    return Object.fromEntries(
      Object.entries(places).flatMap(([origin, seq]) => {
        const row = this.get("SELECT chain FROM log WHERE origin = ? AND seq = ?", origin, seq);
        return row ? [[origin, hex(row.chain as Uint8Array)]] : [];
      }),
    );
  }

  /** The running hashes of one stream at places of it, of those that are here. */
  chains(origin: string, seqs: readonly number[]): Record<number, string> {
    return Object.fromEntries(
      seqs.flatMap(seq => Object.values(this.chainsAt({ [origin]: seq })).map(chain => [seq, chain])),
    );
  }

  /** The rooms that a stream wrote to from `seq` on. */
  roomsFrom(origin: string, seq: number): string[] {
    const sql = "SELECT DISTINCT room FROM log WHERE origin = ? AND seq >= ? AND role <> 'fact'";
    return this.all(sql, origin, seq).map(({ room }) => room as string);
  }

  /** The core's own facts in commit order. */
  facts(afterPos: number, limit: number): Stored[] {
    return this.stored("WHERE role = 'fact' AND pos > ? ORDER BY pos LIMIT ?", afterPos, limit);
  }

  /** What envelopes after a commit refer to, in commit order; of those that refer to blobs at all. */
  blobsReferenced(afterPos: number, limit: number): References[] {
    const sql = "SELECT pos, blobs FROM log WHERE blobs <> '[]' AND pos > ? ORDER BY pos LIMIT ?";
    return this.all(sql, afterPos, limit).map(row => ({
      pos: row.pos as number,
      blobs: parseBlobs(row.blobs as string),
    }));
  }

  /** A reader's cursor at commit `upTo`. */
  cursor(room: string, upTo: number): Cursor {
    const cursor: Cursor = {};
    for (const { origin } of this.all("SELECT origin FROM streams")) {
      const n = this.lastN(origin as string, room, upTo);
      if (n > 0) cursor[origin as string] = n;
    }
    return cursor;
  }

  /** The messages that stand where a reader's cursor does, of those that are here. */
  idsAt(room: string, cursor: Cursor): LastIds {
    return Object.fromEntries(
      Object.entries(cursor).flatMap(([origin, n]) => {
        const row = this.get("SELECT id FROM log WHERE room = ? AND origin = ? AND n = ?", room, origin, n);
        return row ? [[origin, row.id as string]] : [];
      }),
    );
  }

  /** Branches of streams that were given up. */
  forks(): Pick<Fork, "origin" | "seq" | "chain">[] {
    return JSON.parse(this.setting("forks") ?? "[]");
  }

  /**
   * Throws `Reject` where a cursor is, or may be, of another history: other messages stand at its places; or it is beyond
   * what is here, so that nobody can tell; or beyond the place where a branch was given up, which its reader may have read.
   */
  #assertShared(room: string, cursor: Cursor, last: LastIds): void {
    const here = this.idsAt(room, cursor);
    for (const [origin, n] of Object.entries(cursor)) {
      const id = here[origin];
      if (n > 0 && (id === undefined || (last[origin] ?? id) !== id)) throw new Reject("reset");
    }
    for (const { origin, seq } of this.forks()) {
      const isProven = here[origin] !== undefined && here[origin] === last[origin];
      if (!isProven && (cursor[origin] ?? 0) > this.#lastNBefore(origin, seq, room)) throw new Reject("reset");
    }
  }

  #lastNBefore(origin: string, seq: number, room: string): number {
    const sql = "SELECT n FROM log WHERE room = ? AND origin = ? AND seq < ? ORDER BY n DESC LIMIT 1";
    return (this.get(sql, room, origin, seq)?.n as number | undefined) ?? 0;
  }

  /**
   * What a room got after `cursor` and up to commit `upTo`, oldest first, with the cursor after it. `last` are the messages
   * that the reader has at its cursor. Throws `Reject` where that is another history.
   */
  resume(
    room: string,
    cursor: Cursor,
    upTo: number,
    limit: number,
    last: LastIds = {},
  ): { envelopes: Stored[]; cursor: Cursor; more: boolean } {
    this.#assertShared(room, cursor, last);
    const next: Cursor = { ...cursor };
    const envelopes: Stored[] = [];
    let more = false;
    for (const { origin } of this.all("SELECT origin FROM streams")) {
      const found = this.stored(
        "WHERE room = ? AND origin = ? AND n > ? AND pos <= ? ORDER BY n LIMIT ?",
        room,
        origin as string,
        cursor[origin as string] ?? 0,
        upTo,
        limit - envelopes.length + 1,
      );
      if (found.length > limit - envelopes.length) {
        more = true;
        found.length = limit - envelopes.length;
      }
      const last = found.at(-1);
      if (last) next[last.origin] = last.n;
      envelopes.push(...found);
    }
    return { envelopes: envelopes.sort(byKey), cursor: next, more };
  }

  /** A page of rows with what belongs to them: the newest, or those before or after a place. */
  page(room: string, from: { before?: string; after?: string }, limit: number, upTo: number): Page {
    const edge = from.before ?? from.after;
    const place = edge === undefined ? undefined : this.placeOf(edge);
    if (edge !== undefined && !place) throw new Reject("not-found", "no message has that key or id");
    const back = from.after === undefined;
    const rows = this.stored(
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
    const envelopes: Stored[] = [];
    let bytes = 0;
    let taken = 0;
    // A poll that a thousand people voted in, or a drawing, would make a page of fifty of them unbearable.
    for (; taken < rows.length && bytes < MAX_PAGE_BYTES; taken++) {
      const row = rows[taken] as Stored;
      const more = [row, ...this.referring(room, row.id)];
      envelopes.push(...more);
      bytes += more.reduce((sum, envelope) => sum + frameBytes(envelope), 0);
    }
    return { envelopes: envelopes.sort(byKey), older: back ? beyond || taken < rows.length : true };
  }

  /** What refers to a message, other than rows that answer it. */
  referring(room: string, id: string): Stored[] {
    return this.stored("WHERE ref = ? AND room = ? AND role IN ('mark', 'replace') ORDER BY hlc, origin, n", id, room);
  }

  /** The message of that id, that author's if two have it, at its lowest key. */
  find(id: string, author = ""): Stored | undefined {
    return this.stored("WHERE id = ? AND role <> 'fact' ORDER BY author <> ?, hlc, origin, n LIMIT 1", id, author)[0];
  }

  /** All messages of that id: two people, or two halves of a partition, may have used it. */
  named(id: string): Stored[] {
    return this.stored("WHERE id = ? AND role NOT IN ('fact', 'erase') ORDER BY hlc, origin, n", id);
  }

  /** Copies the database into an empty file, in one read transaction: SQLite's backup begins anew with each commit. */
  copyTo(path: string): void {
    this.prepare("VACUUM INTO ?").run(path);
  }

  protected placeOf(keyOrId: string): Place | undefined {
    return placeOf(keyOrId) ?? this.find(keyOrId);
  }

  protected stored(where: string, ...values: SQLInputValue[]): Stored[] {
    return this.all(`SELECT pos, ${COLUMNS} FROM log ${where}`, ...values).map(toStored);
  }
}

/** As many of the rows as fit, at least one. */
export function takeUpTo<Row, Kind>(
  maxBytes: number,
  rows: Iterable<Row>,
  read: (row: Row) => Kind,
  bytesOf: (read: Kind) => number,
): Kind[] {
  const taken: Kind[] = [];
  let bytes = 0;
  for (const row of rows) {
    const next = read(row);
    bytes += bytesOf(next);
    if (taken.length > 0 && bytes > maxBytes) break;
    taken.push(next);
  }
  return taken;
}

function wireOf(row: unknown[]): unknown[] {
  row[BLOBS] = parseBlobs(row[BLOBS] as string);
  return row;
}

function partsOf(wire: unknown[]): Pick<Envelope, "alt" | "body" | "blobs"> {
  return { alt: wire[ALT] as string | null, body: wire[BODY] as Uint8Array | null, blobs: wire[BLOBS] as string[] };
}

export function parseBlobs(text: string): string[] {
  return text === "[]" ? [] : JSON.parse(text);
}

function toEnvelope(row: Record<string, unknown>): Envelope {
  return { ...(row as Envelope), blobs: parseBlobs(row.blobs as string) };
}

function toStored(row: Record<string, unknown>): Stored {
  return { ...toEnvelope(row), pos: row.pos as number };
}

export function byKey(a: Place, b: Place): number {
  return a.hlc - b.hlc || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : a.n - b.n);
}
