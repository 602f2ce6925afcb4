/** What people read of the log: rooms joined, resumed and paged. Every read asks first whether this person may. */
import * as v from "valibot";
import type { Cluster } from "./cluster/cluster.ts";
import { ORIGIN, placeOf } from "./envelope.ts";
import { Reject } from "./errors.ts";
import type { Holders } from "./holders.ts";
import type { Cursor, LastIds, Log, Stored } from "./log/log.ts";
import { toMessage } from "./messages.ts";
import type { Message, Person } from "./plugin.ts";
import type { Registry } from "./registry.ts";
import type { Rooms } from "./rooms.ts";
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

export type Joined = { messages: Message[]; cursor: Cursor; last: LastIds; more: boolean; older: boolean };
export type History = { messages: Message[]; older: boolean };
/** Messages that are unpacked in one turn of the loop. */
const SLICE = 250;

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

  constructor(parts: ReadingParts) {
    this.#log = parts.log;
    this.#rooms = parts.rooms;
    this.#registry = parts.registry;
    this.#parts = parts;
  }

  /** The newest page of a room, or what it got since the cursor, as of the last commit before this call. Throws `Reject`. */
  async join(person: Person, request: v.InferOutput<typeof JoinRequest>): Promise<Joined> {
    const upTo = this.#log.pos;
    const { id } = this.#rooms.assertReadable(person, request.room);
    if (request.cursor) {
      const { envelopes, cursor, more } = await this.#resume(id, request.cursor, request.last, upTo);
      const last = await this.#log.idsAt(id, cursor);
      return { messages: await this.#present(person, envelopes), cursor, last, more, older: true };
    }
    const [{ envelopes, older }, cursor] = await Promise.all([
      this.#log.page(id, {}, PAGE_ROWS, upTo),
      this.#log.cursor(id, upTo),
    ]);
    const last = await this.#log.idsAt(id, cursor);
    return { messages: await this.#present(person, envelopes), cursor, last, more: false, older };
  }

  /** A reader who comes from another node may have more than this one has yet: that may still come. */
  async #resume(room: string, cursor: Cursor, last: LastIds, upTo: number): ReturnType<Log["resume"]> {
    const { time, cluster } = this.#parts;
    for (const until = time.elapsed() + LAG_WITHIN_MS; ; ) {
      // Asked first: what is missing may be committed while the log is read.
      const lags = cluster.lags(Object.keys(cursor));
      try {
        return await this.#log.resume(room, cursor, upTo, RESUME_MESSAGES, last);
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
      const target = placeOf(ref) ? undefined : await this.#log.find(ref);
      if (target?.room !== id) throw new Reject("not-found");
      const envelopes = await this.#log.referring(id, ref);
      return { messages: await this.#present(person, envelopes), older: false };
    }
    const from = { ...(before !== undefined && { before }), ...(after !== undefined && { after }) };
    const { envelopes, older } = await this.#log.page(id, from, limit, this.#log.pos);
    return { messages: await this.#present(person, envelopes), older };
  }

  /** A few at a time: others are not to wait for somebody who looks at a poll of thousands. */
  async #present(person: Person, envelopes: readonly Stored[]): Promise<Message[]> {
    const { holders, time } = this.#parts;
    holders.shown(envelopes.filter(({ author }) => author === person.id));
    const messages: Message[] = [];
    for (const envelope of envelopes) {
      const message = toMessage(envelope, this.#registry);
      messages.push(envelope.author === person.id ? { ...message, copies: holders.copiesOf(envelope) } : message);
      if (messages.length % SLICE === 0) await new Promise<void>(resolve => time.soon(resolve));
    }
    return messages;
  }
}
