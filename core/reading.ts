/** What people read of the log: rooms joined, resumed and paged. Every read asks first whether this person may. */
import * as v from "valibot";
import type { Cluster } from "./cluster/cluster.ts";
import { keyOf, ORIGIN, placeOf } from "./envelope.ts";
import { Reject } from "./errors.ts";
import { Gate } from "./gate.ts";
import type { Holders } from "./holders.ts";
import type { Cursor, LastIds, Log, Stored } from "./log/log.ts";
import { toMessage } from "./messages.ts";
import type { Message, Person } from "./plugin.ts";
import type { Registry } from "./registry.ts";
import type { Rooms } from "./rooms.ts";
import { SingleFlight } from "./singleflight.ts";
import type { Time } from "./time.ts";

const PAGE_ROWS = 50;
const MAX_PAGE_ROWS = 200;
/** Messages in one answer to a resuming client. */
const RESUME_MESSAGES = 500;
const LAG_WITHIN_MS = 2_000;
const LAG_POLL_MS = 50;
/** Origins that a cursor names. */
const MAX_ORIGINS = 4_096;

const room = v.pipe(v.string(), v.maxLength(128));
const place = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const origin = v.pipe(v.string(), v.regex(ORIGIN));
const n = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

function atMost<Item, Schema extends v.GenericSchema<unknown, Record<string, Item>>>(most: number, record: Schema) {
  return v.pipe(
    record,
    v.check(given => Object.keys(given).length <= most),
  );
}

export const JoinRequest = v.object({
  room,
  cursor: v.optional(atMost(MAX_ORIGINS, v.record(origin, n))),
  last: v.optional(atMost(MAX_ORIGINS, v.record(origin, place)), {}),
});
export const HistoryRequest = v.object({
  room,
  before: v.optional(place),
  after: v.optional(place),
  ref: v.optional(place),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_PAGE_ROWS)), PAGE_ROWS),
});

const MAX_QUERY_CHARACTERS = 100;
const FOUND_ROWS = 20;
export const SearchRequest = v.object({
  query: v.pipe(v.string(), v.maxLength(MAX_QUERY_CHARACTERS)),
  room: v.optional(room),
  before: v.optional(place),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(PAGE_ROWS)), FOUND_ROWS),
});

export type Joined = { messages: Message[]; cursor: Cursor; last: LastIds; more: boolean; older: boolean };
export type History = { messages: Message[]; older: boolean };
/** `behind` counts envelopes that are not in the index yet. */
export type Hits = History & { behind: number };
/** Messages that are unpacked in one turn of the loop. */
const SLICE = 250;
/** A page that was read is given to all who ask for the same within this time, unless something was committed since. */
const SHARE_MS = 100;
const MAX_SHARED = 16;

/** Reads that the log is asked for: it answers one after the other, and each answer may hold a megabyte. */
const READS = { atOnce: 16, waiting: 4_096 };

/** What a page holds for everybody: what it says to one reader of their own messages is not in it. */
type Read = { envelopes: readonly Stored[]; messages: readonly Message[] };
type JoinedPage = Read & Omit<Joined, "messages">;

export type ReadingParts = {
  log: Log;
  rooms: Rooms;
  registry: Registry;
  time: Time;
  holders: Pick<Holders, "copiesOf" | "shown">;
  cluster: Pick<Cluster, "lags">;
};

export class Reading {
  readonly #log: Log;
  readonly #rooms: Rooms;
  readonly #registry: Registry;
  readonly #parts: ReadingParts;
  readonly #joined: SingleFlight<JoinedPage>;
  readonly #reads = new Gate(READS);

  constructor(parts: ReadingParts) {
    this.#log = parts.log;
    this.#rooms = parts.rooms;
    this.#registry = parts.registry;
    this.#parts = parts;
    this.#joined = new SingleFlight(parts.time, { keepMs: SHARE_MS, max: MAX_SHARED });
  }

  /** Reads that are under way, or wait. */
  get waiting(): number {
    return this.#reads.size;
  }

  /** The newest page of a room, or what it got since the cursor, as of the last commit before this call. Throws `Reject`. */
  async join(person: Person, { room, cursor, last }: v.InferOutput<typeof JoinRequest>): Promise<Joined> {
    const upTo = this.#log.pos;
    const { id } = this.#rooms.assertReadable(person, room);
    // When a node comes back so do all its clients, most of them with the same cursor.
    const { envelopes, messages, ...rest } = await this.#joined.of(JSON.stringify([upTo, id, cursor, last]), () =>
      cursor ? this.#readAfter(id, cursor, last, upTo) : this.#reads.pass(() => this.#readNewest(id, upTo)),
    );
    return { messages: this.#present(person, { envelopes, messages }), ...rest };
  }

  async #readNewest(room: string, upTo: number): Promise<JoinedPage> {
    const [{ envelopes, older }, cursor] = await Promise.all([
      this.#log.page(room, {}, PAGE_ROWS, upTo),
      this.#log.cursor(room, upTo),
    ]);
    const last = await this.#log.idsAt(room, cursor);
    return { envelopes, messages: await this.#unpack(envelopes), cursor, last, more: false, older };
  }

  async #readAfter(room: string, from: Cursor, lastIds: LastIds, upTo: number): Promise<JoinedPage> {
    const { envelopes, cursor, more } = await this.#resume(room, from, lastIds, upTo);
    const last = await this.#log.idsAt(room, cursor);
    return { envelopes, messages: await this.#unpack(envelopes), cursor, last, more, older: true };
  }

  /** A reader who comes from another node may have more than this one has yet: that may still come. */
  async #resume(room: string, cursor: Cursor, last: LastIds, upTo: number): ReturnType<Log["resume"]> {
    const { time, cluster } = this.#parts;
    for (const until = time.elapsed() + LAG_WITHIN_MS; ; ) {
      // Asked first: what is missing may be committed while the log is read.
      const lags = cluster.lags(Object.keys(cursor));
      try {
        return await this.#reads.pass(() => this.#log.resume(room, cursor, upTo, RESUME_MESSAGES, last));
      } catch (error) {
        if (!lags || time.elapsed() > until) throw error;
        await new Promise<void>(resolve => time.after(LAG_POLL_MS, resolve));
      }
    }
  }

  /** A page of rows with their marks, oldest first. Throws `Reject`. */
  async history(person: Person, request: v.InferOutput<typeof HistoryRequest>): Promise<History> {
    const { id } = this.#rooms.assertReadable(person, request.room);
    const { before, after, ref, limit } = request;
    if ([before, after, ref].filter(given => given !== undefined).length > 1)
      throw new Reject("invalid", "before, after and ref exclude each other");
    if (ref !== undefined) {
      const envelopes = await this.#reads.pass(() => this.#readReferring(id, ref));
      return { messages: await this.#read(person, envelopes), older: false };
    }
    const from = { ...(before !== undefined && { before }), ...(after !== undefined && { after }) };
    const { envelopes, older } = await this.#reads.pass(() => this.#log.page(id, from, limit, this.#log.pos));
    return { messages: await this.#read(person, envelopes), older };
  }

  /** The newest rows with all words of the query, in one room or in all that this person may read. Throws `Reject`. */
  async search(person: Person, { query, room, before, limit }: v.InferOutput<typeof SearchRequest>): Promise<Hits> {
    const id = room === undefined ? undefined : this.#rooms.assertReadable(person, room).id;
    const hits: Stored[] = [];
    for (let from = before; ; ) {
      const page = await this.#log.search({ text: query, room: id, before: from, limit: limit - hits.length });
      hits.unshift(...page.envelopes.filter(({ room }) => this.#rooms.isReadable(person, room)));
      const [oldest] = page.envelopes;
      if (!page.older || !oldest || hits.length > 0) {
        const { older, behind } = page;
        return { messages: await this.#read(person, hits), older, behind };
      }
      from = keyOf(oldest);
    }
  }

  async #readReferring(room: string, ref: string): Promise<Stored[]> {
    const target = placeOf(ref) ? undefined : await this.#log.find(ref);
    if (target?.room !== room) throw new Reject("not-found");
    return this.#log.referring(room, ref);
  }

  async #read(person: Person, envelopes: readonly Stored[]): Promise<Message[]> {
    return this.#present(person, { envelopes, messages: await this.#unpack(envelopes) });
  }

  /** A few at a time: others are not to wait for somebody who looks at a poll of thousands. */
  async #unpack(envelopes: readonly Stored[]): Promise<Message[]> {
    const messages: Message[] = [];
    for (const envelope of envelopes) {
      messages.push(toMessage(envelope, this.#registry));
      if (messages.length % SLICE === 0) await new Promise<void>(resolve => this.#parts.time.soon(resolve));
    }
    return messages;
  }

  /** As that person sees them: an author sees how many nodes hold a message. */
  #present(person: Person, { envelopes, messages }: Read): Message[] {
    const { holders } = this.#parts;
    holders.shown(envelopes.filter(({ author }) => author === person.id));
    return messages.map((message, at) =>
      message.author.id === person.id ? { ...message, copies: holders.copiesOf(envelopes[at] as Stored) } : message,
    );
  }
}
