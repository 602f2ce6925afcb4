/** Which clients of a node hear what. Clients that want the same bytes share a dialect: a message is encoded once for each. */
import { Reject } from "./errors.ts";
import type { Pace } from "./pace.ts";
import { eventText, Packets } from "./packets.ts";
import type { Message } from "./plugin.ts";

/** As much of a client's connection as is needed here. */
type Ear = { readonly isOpen: boolean; tellAlike(packets: Packets): void };

export type Dialect = { readonly id: string; readonly batch: boolean; readonly types: ReadonlySet<string> };
/** One client's part in the audience. */
export type Listener = { readonly wire: Ear; readonly dialect: Dialect; readonly joined: ReadonlySet<string> };

export type AudienceParts = {
  /** The messages of a room that were told already, and that nobody can read yet. */
  early(room: string): Message[];
  /** Told the number of deliveries, one a listener and message. */
  delivered(deliveries: number): void;
  /** What decides when to run what fans out. */
  pace(run: () => void): Pick<Pace, "ask" | "close">;
};

/** Messages that are kept back for one who joins a room, and for all of them: whoever misses more has to ask again. */
const MAX_HELD = 20_000;
const MAX_ALL_HELD = 1_000_000;
const JOIN_AGAIN_MS = 1_000;
const TOO_MANY = "too many";
type Held = Message[] | typeof TOO_MANY;

export class Audience {
  readonly #dialects = new Map<string, { dialect: Dialect; speakers: number }>();
  readonly #rooms = new Map<string, Map<Dialect, Set<Listener>>>();
  /** Live messages of rooms whose join has not been answered yet, kept back for those who asked. */
  readonly #held = new Map<Listener, Map<string, Held>>();
  #allHeld = 0;
  /** Messages of rooms that go out together. */
  readonly #gathered = new Map<string, Message[]>();
  readonly #parts: AudienceParts;
  readonly #pace: Pick<Pace, "ask" | "close">;

  constructor(parts: AudienceParts) {
    this.#parts = parts;
    this.#pace = parts.pace(() => this.#fanOut());
  }

  /** The dialect of one more client, which is in the audience until it leaves. */
  enter(batch: boolean, types: readonly string[]): Dialect {
    const known = new Set(types);
    const id = `${batch ? "batch" : "plain"} ${[...known].sort().join(" ")}`;
    const spoken = this.#dialects.get(id) ?? { dialect: { id, batch, types: known }, speakers: 0 };
    this.#dialects.set(id, spoken);
    spoken.speakers++;
    return spoken.dialect;
  }

  leave(listener: Listener): void {
    for (const room of this.#held.get(listener)?.keys() ?? []) this.#release(listener, room);
    for (const room of listener.joined) this.#unseat(listener, room);
    const spoken = this.#dialects.get(listener.dialect.id);
    if (spoken && --spoken.speakers === 0) this.#dialects.delete(listener.dialect.id);
  }

  /**
   * Subscribes only when nothing is left to page: keeps back what comes live while `read` reads up to the last commit, and
   * lets it follow the answer. Rejects as `read` does, with `reset` where the listener was dismissed meanwhile, and with
   * `overloaded` where more came than is kept back.
   */
  async join<Joined extends { more: boolean }>(
    listener: Listener,
    room: string,
    read: () => Promise<Joined>,
    answer: (joined: Joined) => void,
  ): Promise<void> {
    this.#hold(listener, room);
    try {
      const joined = await read();
      // What was read may be of before.
      const held = this.#held.get(listener)?.get(room);
      if (!held) throw new Reject("reset");
      if (held === TOO_MANY)
        throw new Reject("overloaded", "too much was said meanwhile", { retryAfterMs: JOIN_AGAIN_MS });
      answer(joined);
      if (joined.more) this.dismiss(listener, room);
      else this.admit(listener, room);
    } catch (error) {
      this.dismiss(listener, room);
      throw error;
    }
  }

  /** From now on this room's messages are kept back for the listener, until `admit` or `dismiss`. */
  #hold(listener: Listener, room: string): void {
    this.dismiss(listener, room);
    const rooms = this.#held.get(listener) ?? new Map<string, Held>();
    rooms.set(room, []);
    this.#held.set(listener, rooms);
    this.#keepBack(rooms, room, this.#parts.early(room));
  }

  /** Messages that are kept back. */
  get held(): number {
    return this.#allHeld;
  }

  #keepBack(rooms: Map<string, Held>, room: string, messages: readonly Message[]): void {
    const held = rooms.get(room);
    if (!held || held === TOO_MANY) return;
    const { length } = messages;
    if (held.length + length <= MAX_HELD && this.#allHeld + length <= MAX_ALL_HELD) {
      for (const message of messages) held.push(message);
      this.#allHeld += length;
    } else {
      this.#allHeld -= held.length;
      rooms.set(room, TOO_MANY);
    }
  }

  /** Sends what was kept back, and what comes live from now on. */
  admit(listener: Listener, room: string): void {
    // What is still gathered was kept back as well.
    this.#settle(room);
    const held = this.#release(listener, room);
    if (!held || !listener.wire.isOpen) return;
    const dialects = this.#rooms.get(room) ?? new Map<Dialect, Set<Listener>>();
    const seated = dialects.get(listener.dialect) ?? new Set<Listener>();
    this.#rooms.set(room, dialects.set(listener.dialect, seated.add(listener)));
    if (held.length > 0) listener.wire.tellAlike(inPackets(texts(held), listener.dialect));
  }

  dismiss(listener: Listener, room: string): void {
    this.#settle(room);
    this.#release(listener, room);
    this.#unseat(listener, room);
  }

  #unseat(listener: Listener, room: string): void {
    const dialects = this.#rooms.get(room);
    const seated = dialects?.get(listener.dialect);
    if (!seated?.delete(listener)) return;
    if (seated.size === 0) dialects?.delete(listener.dialect);
    if (dialects?.size === 0) this.#rooms.delete(room);
  }

  #release(listener: Listener, room: string): Message[] | undefined {
    const rooms = this.#held.get(listener);
    const held = rooms?.get(room);
    rooms?.delete(room);
    if (rooms?.size === 0) this.#held.delete(listener);
    if (!held || held === TOO_MANY) return undefined;
    this.#allHeld -= held.length;
    return held;
  }

  /** Whether anybody listens to the room, or is about to. */
  hears(room: string): boolean {
    if (this.#rooms.has(room)) return true;
    for (const rooms of this.#held.values()) if (rooms.has(room)) return true;
    return false;
  }

  messages(room: string, messages: readonly Message[]): void {
    for (const rooms of this.#held.values()) this.#keepBack(rooms, room, messages);
    if (!this.#rooms.has(room)) return;
    const gathered = this.#gathered.get(room);
    if (gathered) gathered.push(...messages);
    else this.#gathered.set(room, [...messages]);
    this.#pace.ask();
  }

  #fanOut(): void {
    for (const room of this.#gathered.keys()) this.#settle(room);
  }

  /** Sends what is gathered of the room to who is in it. */
  #settle(room: string): void {
    const messages = this.#gathered.get(room);
    if (!messages) return;
    this.#gathered.delete(room);
    const encoded = texts(messages);
    for (const [dialect, seated] of this.#rooms.get(room) ?? []) {
      const packets = inPackets(encoded, dialect);
      for (const { wire } of seated) wire.tellAlike(packets);
      this.#parts.delivered(seated.size * messages.length);
    }
  }

  /** Tells who is in the room, without one of them. */
  tell(room: string, packets: Packets, except?: Ear): void {
    for (const seated of this.#rooms.get(room)?.values() ?? [])
      for (const { wire } of seated) if (wire !== except) wire.tellAlike(packets);
  }

  /** Nothing stays behind. */
  close(): void {
    this.#pace.close();
  }
}

/** Messages as they are told, each encoded at most once with its `alt` and once without. */
type Texts = { messages: readonly Message[]; json(message: number, withAlt: boolean): string };

function texts(messages: readonly Message[]): Texts {
  const encoded: [string[], string[]] = [[], []];
  return {
    messages,
    json(index, withAlt) {
      const message = messages[index] as Message;
      const known = encoded[withAlt ? 1 : 0];
      known[index] ??= JSON.stringify(withAlt ? message : withoutAlt(message));
      return known[index];
    },
  };
}

function inPackets({ messages, json }: Texts, dialect: Dialect): Packets {
  const encoded = messages.map((message, index) => json(index, !drops(message, dialect)));
  if (dialect.batch) return Packets.of("batch", `[${encoded.join(",")}]`);
  return new Packets(encoded.map((text, index) => eventText((messages[index] as Message).type, text)));
}

/** A client that knows the type draws the body, and needs no `alt`. */
export function inDialect(message: Message, dialect: Dialect): Message {
  return drops(message, dialect) ? withoutAlt(message) : message;
}

function drops(message: Message, { types }: Dialect): boolean {
  return message.alt !== undefined && message.body !== undefined && types.has(message.type);
}

function withoutAlt({ alt: _, ...message }: Message): Message {
  return message;
}
