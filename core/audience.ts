/** Which clients of a node hear what. Clients that want the same bytes share a dialect: a message is encoded once for each. */
import { Reject } from "./errors.ts";
import type { Message } from "./plugin.ts";
import type { Target } from "./plugins/calls/delivery.ts";
import type { SignalMessage } from "./signals.ts";

type Emitter = { emit(event: string, payload: unknown): unknown };
/** As much of a Socket.IO socket as is needed here. */
type Member = Emitter & { id: string; connected: boolean; join(room: string): unknown; leave(room: string): unknown };
/** As much of a Socket.IO server. */
export type Hall = Emitter & {
  to(rooms: string | string[]): Emitter & { except(rooms: string | string[]): Emitter };
  of(namespace: string): { adapter: { rooms: Map<string, Set<string>> } };
};

export type Dialect = { readonly id: string; readonly batch: boolean; readonly types: ReadonlySet<string> };
/** One client's part in the audience. */
export type Listener = { readonly socket: Member; readonly dialect: Dialect };

export class Audience {
  readonly #hall: Hall;
  readonly #early: (room: string) => Message[];
  readonly #dialects = new Map<string, { dialect: Dialect; speakers: number }>();
  /** Live messages of rooms whose join has not been answered yet, kept back for those who asked. */
  readonly #held = new Map<Listener, Map<string, Message[]>>();

  /** `early` are messages of a room that were told already, and that nobody can read yet. */
  constructor(hall: Hall, early: (room: string) => Message[] = () => []) {
    this.#hall = hall;
    this.#early = early;
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
    this.#held.delete(listener);
    const spoken = this.#dialects.get(listener.dialect.id);
    if (spoken && --spoken.speakers === 0) this.#dialects.delete(listener.dialect.id);
  }

  /**
   * Subscribes only when nothing is left to page: keeps back what comes live while `read` reads up to the last commit, and
   * lets it follow the answer. Rejects as `read` does, and with `reset` where the listener was dismissed meanwhile.
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
      if (!this.#held.get(listener)?.has(room)) throw new Reject("reset");
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
    listener.socket.leave(seat(listener.dialect, room));
    const rooms = this.#held.get(listener) ?? new Map<string, Message[]>();
    rooms.set(room, this.#early(room));
    this.#held.set(listener, rooms);
  }

  /** Sends what was kept back, and what comes live from now on. */
  admit(listener: Listener, room: string): void {
    const held = this.#release(listener, room);
    if (!held || !listener.socket.connected) return;
    listener.socket.join(seat(listener.dialect, room));
    send(listener.socket, listener.dialect, held);
  }

  dismiss(listener: Listener, room: string): void {
    this.#release(listener, room);
    listener.socket.leave(seat(listener.dialect, room));
  }

  #release(listener: Listener, room: string): Message[] | undefined {
    const rooms = this.#held.get(listener);
    const held = rooms?.get(room);
    rooms?.delete(room);
    if (rooms?.size === 0) this.#held.delete(listener);
    return held;
  }

  /** Whether anybody listens to the room, or is about to. */
  hears(room: string): boolean {
    for (const rooms of this.#held.values()) if (rooms.has(room)) return true;
    const { rooms } = this.#hall.of("/").adapter;
    for (const { dialect } of this.#dialects.values()) if (rooms.has(seat(dialect, room))) return true;
    return false;
  }

  /** Returns the number of deliveries, one a listener and message. */
  messages(room: string, messages: readonly Message[]): number {
    let delivered = 0;
    for (const { dialect } of this.#dialects.values()) {
      const name = seat(dialect, room);
      const size = this.#hall.of("/").adapter.rooms.get(name)?.size ?? 0;
      if (size === 0) continue;
      send(this.#hall.to(name), dialect, messages);
      delivered += size * messages.length;
    }
    for (const rooms of this.#held.values()) rooms.get(room)?.push(...messages);
    return delivered;
  }

  signal(to: Target, signal: SignalMessage, except?: string): void {
    if (to === "all") this.#hall.emit(signal.type, signal);
    else if ("session" in to) this.#hall.to(to.session).emit(signal.type, signal);
    else {
      const seats = [...this.#dialects.values()].map(({ dialect }) => seat(dialect, to.room));
      if (seats.length > 0)
        this.#hall
          .to(seats)
          .except(except ?? [])
          .emit(signal.type, signal);
    }
  }
}

/** The Socket.IO room of those who are in a room of the chat and speak that dialect. */
const seat = (dialect: Dialect, room: string): string => `${dialect.id}\n${room}`;

function send(to: Emitter, dialect: Dialect, messages: readonly Message[]): void {
  if (messages.length === 0) return;
  const said = messages.map(message => inDialect(message, dialect));
  if (dialect.batch) to.emit("batch", said);
  else for (const message of said) to.emit(message.type, message);
}

/** A client that knows the type draws the body, and needs no `alt`. */
export function inDialect(message: Message, { types }: Dialect): Message {
  if (message.alt === undefined || message.body === undefined || !types.has(message.type)) return message;
  const { alt: _, ...rest } = message;
  return rest;
}
