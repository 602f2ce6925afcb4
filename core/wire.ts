/**
 * Below Socket.IO: with transport.ts the one place that knows what is inside of Socket.IO, Engine.IO and ws. What a client is
 * told in one turn of the event loop leaves in one write, what Socket.IO says by itself included, in the order of telling.
 */
import type { IncomingMessage } from "node:http";
import type { Server, Socket } from "socket.io";
import { ackText, eventText, fragmentsAround, type Packets, type Shared } from "./packets.ts";
import { type EngineRequest, Gathering, Turn, type WebSocket } from "./transport.ts";

/** What of a client's connection waits to be sent: from half of it on the client lags, and past it it is cut off. */
export const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
/** Events of one client that are read in one turn, at the least; by WebSocket more stays with the system, which slows its sender down. */
const READ_A_TURN = 64;
/** Events that Socket.IO keeps for itself: it closes the connection of who sends them. */
const RESERVED = new Set(["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]);

/** Of Engine.IO. */
type Connection = {
  readyState: string;
  request: IncomingMessage | null;
  transport: Gathering | { name: string };
  /** Packets that wait for the next poll, or for an upgrade. */
  writeBuffer: unknown[];
  write(data: string, options: { compress: boolean }): void;
  close(discard: boolean): void;
  on(event: "data", listener: (data: unknown) => void): void;
  off(event: "data", listener: (data: unknown) => void): void;
};

/** Of Socket.IO. */
type Insides = { client: { ondata(data: unknown): void }; handshake: object; leaveAll(): void };

export type Reply = (answer: object) => void;

export type WiresParts = {
  /** A client sent an event. */
  received(wire: Wire, event: string, args: unknown[], reply: Reply): void;
  /** More than half of what may wait for a client does, or more than that. */
  backlog(wire: Wire, bytes: number): void;
};

/**
 * Whose events were read in this turn. A crowd that sends more than can be read would otherwise be read for seconds in one
 * turn, and commits and answers wait for its end.
 */
class Intake {
  #read = new Map<Wire, number>();

  /** One more was. */
  took(from: Wire): void {
    if (this.#read.size === 0) setImmediate(() => this.#end());
    const count = (this.#read.get(from) ?? 0) + 1;
    this.#read.set(from, count);
    if (count === READ_A_TURN) from.hold(true);
  }

  #end(): void {
    const read = this.#read;
    this.#read = new Map();
    for (const [wire, count] of read) if (count >= READ_A_TURN) wire.hold(false);
  }
}

/** All connections of a Socket.IO server, which must have no client yet. */
export class Wires {
  readonly #parts: WiresParts;
  readonly #intake = new Intake();
  /** Connections that have had their socket, or are about to. */
  readonly #claimed = new WeakSet<object>();

  constructor(server: Server, parts: WiresParts) {
    this.#parts = parts;
    const turn = new Turn();
    const engine = server.engine as unknown as { createTransport(name: string, request: EngineRequest): object };
    const create = engine.createTransport.bind(engine);
    engine.createTransport = (name, request) =>
      name === "websocket" ? new Gathering(request, turn) : create(name, request);
  }

  /**
   * Whether the socket is the first of its connection, which has one at most: what a second one would need of it is let go of.
   * To be asked before it is let in.
   */
  claim({ conn }: Socket): boolean {
    if (this.#claimed.has(conn)) return false;
    this.#claimed.add(conn);
    return true;
  }

  /** The socket was not let in: its connection may ask again. */
  release({ conn }: Socket): void {
    this.#claimed.delete(conn);
  }

  /** Takes over what is read from and told to a socket that has just connected. */
  attach(socket: Socket): Wire {
    return new Wire(socket, this.#parts, this.#intake);
  }
}

/** One client's connection. */
export class Wire {
  readonly socket: Socket;
  readonly #conn: Connection;
  readonly #parts: WiresParts;
  readonly #intake: Intake;
  #isPaused = false;
  /** Of what waits for the next poll. */
  #queued = 0;
  /** Of what waits: answers, which are not its doing that it reads too slowly. */
  #answers = 0;

  constructor(socket: Socket, parts: WiresParts, intake: Intake) {
    this.socket = socket;
    this.#parts = parts;
    this.#intake = intake;
    this.#conn = socket.conn as unknown as Connection;
    const { client } = socket as unknown as Insides;
    this.#conn.off("data", client.ondata);
    this.#conn.on("data", data => {
      if (!this.#read(data)) client.ondata(data);
    });
    // Those with binary parts, which Socket.IO puts together.
    socket.onAny((event: unknown, ...args: unknown[]) => {
      const reply = typeof args.at(-1) === "function" ? (args.pop() as Reply) : () => {};
      this.#take(String(event), args, reply);
    });
    slim(socket, this.#conn);
  }

  get isOpen(): boolean {
    return this.#conn.readyState === "open";
  }

  /** About as many bytes as wait for the client to read. */
  get waiting(): number {
    const { transport, writeBuffer } = this.#conn;
    if (transport instanceof Gathering) return transport.waiting;
    return writeBuffer.length === 0 ? 0 : this.#queued;
  }

  tell(event: string, payload: unknown): void {
    this.#send(eventText(event, JSON.stringify(payload)));
  }

  /** Tells what others are told as well. */
  tellAlike(packets: Packets): void {
    if (!this.isOpen) return;
    const transport = this.#direct();
    if (transport) transport.tell(packets.frames);
    else for (const text of packets.texts) this.#queue(text);
  }

  /** Tells an event whose payload has one more field, which others are told as well. */
  tellWith(event: string, payload: object, field: string, shared: Shared): void {
    if (!this.isOpen) return;
    const before = `${eventText(event, JSON.stringify(payload)).slice(0, -2)},${JSON.stringify(field)}:`;
    const transport = this.#direct();
    if (!transport) return this.#queue(`${before}${shared.json}}]`, true);
    this.#answers += shared.fragment.length;
    for (const fragment of fragmentsAround(before, shared, "}]")) transport.tell(fragment);
  }

  #answer(id: number, answer: object): void {
    this.#send(ackText(id, answer), true);
  }

  #send(text: string, isAnswer = false): void {
    if (!this.isOpen) return;
    const transport = this.#direct();
    if (!transport) return this.#queue(text, isAnswer);
    if (isAnswer) this.#answers += Buffer.byteLength(text);
    transport.tell(text);
  }

  /** The WebSocket, unless something waits to be sent before. */
  #direct(): Gathering | undefined {
    const { transport, writeBuffer } = this.#conn;
    if (!(transport instanceof Gathering) || writeBuffer.length > 0) return undefined;
    transport.wire = this;
    return transport;
  }

  #queue(text: string, isAnswer = false): void {
    if (this.#conn.writeBuffer.length === 0) this.#queued = this.#answers = 0;
    const bytes = Buffer.byteLength(text);
    this.#queued += bytes;
    if (isAnswer) this.#answers += bytes;
    this.#conn.write(text, { compress: true });
    this.weigh(this.waiting);
  }

  /** So many bytes wait after a write. */
  weigh(bytes: number): void {
    // Of the answers no more can be left than of all.
    this.#answers = Math.min(this.#answers, bytes);
    if (bytes - this.#answers > MAX_BACKLOG_BYTES / 2) this.#parts.backlog(this, bytes - this.#answers);
  }

  /** Events come this way; all that is rare or wrong is left to Socket.IO. */
  #read(data: unknown): boolean {
    const match = typeof data === "string" ? /^2(\d{0,15})\[/.exec(data) : undefined;
    if (!match) return false;
    const [{ length }, id] = match as unknown as [string, string];
    const parsed = parse((data as string).slice(length - 1));
    if (!Array.isArray(parsed)) return false;
    const [event, ...args] = parsed as unknown[];
    if (typeof event !== "string" || RESERVED.has(event)) return false;
    this.#take(event, args, id === "" ? () => {} : answer => this.#answer(Number(id), answer));
    return true;
  }

  #take(event: string, args: unknown[], reply: Reply): void {
    this.#intake.took(this);
    this.#parts.received(this, event, args, reply);
  }

  pause(): void {
    this.#isPaused = true;
    this.#below?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#below?.resume();
  }

  /** Reads nothing more of it in this turn, or goes on where it is not paused otherwise. */
  hold(isHeld: boolean): void {
    if (isHeld) this.#below?.pause();
    else if (!this.#isPaused) this.#below?.resume();
  }

  /** Ends it without waiting for what is not read yet. */
  cut(): void {
    this.#below?.terminate();
    this.#conn.close(true);
  }

  get #below(): WebSocket | undefined {
    const { transport } = this.#conn;
    return transport instanceof Gathering ? transport.below : undefined;
  }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const HANDSHAKE = Object.freeze({});

/** Lets go of what Socket.IO and Engine.IO keep of the request that a connection began with, and of rooms that nobody uses. */
function slim(socket: Socket, conn: Connection): void {
  const insides = socket as unknown as Insides;
  insides.handshake = HANDSHAKE;
  insides.leaveAll();
  conn.request = null;
  if (!(conn.transport instanceof Gathering)) return;
  const { _socket: below } = conn.transport.below;
  for (const listener of below.rawListeners("close"))
    if ("listener" in listener) below.off("close", listener.listener as () => void);
}
