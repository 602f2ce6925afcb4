/** The ZeroMQ sockets between nodes. Only moves frames; what they mean stands above. */
import * as zmq from "zeromq";
import { isIP, isPrivate } from "../addresses.ts";
import { MAX_FRAME_BYTES } from "../envelope.ts";
import { Reject } from "../errors.ts";
import type { Address } from "./membership.ts";
import { textOf } from "./membership.ts";

/** Frames that wait for a socket: beyond it the newest is dropped, since the log repairs what is lost. */
const MAX_QUEUED = 10_000;
const COMMON = { linger: 0, maxMessageSize: MAX_FRAME_BYTES + 1024, ipv6: true };
const DIALING = { ...COMMON, reconnectInterval: 200, reconnectMaxInterval: 2_000, connectTimeout: 2_000 };
const DOMAIN = "web-chat";

/** What arrived, and how to answer it. `at` is the address where this node had asked. */
export type Received = { bytes: Uint8Array; at?: Address; answer?: (bytes: Uint8Array) => void };

export type BusEvents = {
  received(frame: Received): void;
  /** Nobody listens at an address that was dialed. */
  unreachable(address: Address): void;
  /** A stranger's connection was refused. */
  refused(address: string): void;
};

export class Bus {
  readonly #events: BusEvents;
  // A context of its own: the doorkeeper's address is one a context, and a process may hold several nodes.
  readonly #context = new zmq.Context();
  readonly #router = new zmq.Router({
    ...COMMON,
    context: this.#context,
    zapDomain: DOMAIN,
    zapEnforceDomain: true,
    sendTimeout: 0,
  });
  readonly #publisher = new zmq.Publisher({
    ...COMMON,
    context: this.#context,
    zapDomain: DOMAIN,
    zapEnforceDomain: true,
    sendHighWaterMark: MAX_QUEUED,
  });
  readonly #subscriber = new zmq.Subscriber({ ...DIALING, context: this.#context, receiveHighWaterMark: MAX_QUEUED });
  readonly #dealers = new Map<string, { socket: zmq.Dealer; send: Sender }>();
  readonly #doorkeeper = new zmq.Router({ linger: 0, context: this.#context });
  readonly #publish = new Sender(this.#publisher);
  readonly #answers = new Sender(this.#router);
  #ports = { requests: 0, publications: 0 };
  /** Frames that dealers dropped which are hung up by now: a count must not fall. */
  #droppedBefore = 0;

  private constructor(events: BusEvents) {
    this.#events = events;
  }

  /**
   * Opens the bus: requests on `port`, publications on `pubPort` (0 takes a free one). Throws `Reject` where a port is in
   * use.
   */
  static async open(events: BusEvents, { port, pubPort }: { port: number; pubPort: number }): Promise<Bus> {
    const bus = new Bus(events);
    try {
      // The doorkeeper first: without one ZeroMQ admits everybody.
      await bus.#doorkeeper.bind("inproc://zeromq.zap.01");
      void bus.#keepDoor();
      await bind(bus.#router, port);
      await bind(bus.#publisher, pubPort);
    } catch (error) {
      bus.close();
      throw error;
    }
    bus.#ports = { requests: portOf(bus.#router), publications: portOf(bus.#publisher) };
    bus.#subscriber.subscribe();
    void bus.#listen(bus.#subscriber);
    void bus.#listen(bus.#router);
    return bus;
  }

  /** Where requests arrive. */
  get port(): number {
    return this.#ports.requests;
  }

  /** Where publications are to be had. */
  get pubPort(): number {
    return this.#ports.publications;
  }

  /** Frames dropped because a queue was full, or because they were too large. */
  get dropped(): number {
    let dropped = this.#droppedBefore + this.#publish.dropped + this.#answers.dropped;
    for (const { send } of this.#dealers.values()) dropped += send.dropped;
    return dropped;
  }

  /** Frames that wait to be sent. */
  get queued(): number {
    let queued = this.#publish.queued + this.#answers.queued;
    for (const { send } of this.#dealers.values()) queued += send.queued;
    return queued;
  }

  /** To every subscriber. */
  publish(bytes: Uint8Array): void {
    this.#publish.push([bytes]);
  }

  subscribe(address: Address): void {
    this.#subscriber.connect(endpoint(address));
  }

  unsubscribe(address: Address): void {
    this.#subscriber.disconnect(endpoint(address));
  }

  dial(address: Address): void {
    const socket = new zmq.Dealer({ ...DIALING, context: this.#context, immediate: true, sendHighWaterMark: 1_000 });
    socket.events.on("connect:retry", () => this.#events.unreachable(address));
    try {
      socket.connect(endpoint(address));
    } catch {
      // No address at all: nobody will ever answer there.
      socket.close();
      this.#events.unreachable(address);
      return;
    }
    this.#dealers.set(textOf(address), { socket, send: new Sender(socket, 1_000) });
    void this.#listen(socket, address);
  }

  hangUp(address: Address): void {
    const dealer = this.#dealers.get(textOf(address));
    this.#dealers.delete(textOf(address));
    this.#droppedBefore += dealer?.send.dropped ?? 0;
    dealer?.socket.close();
  }

  /** To the node at an address that was dialed. */
  request(address: Address, bytes: Uint8Array): void {
    this.#dealers.get(textOf(address))?.send.push([bytes]);
  }

  /** As `request`, unless something still waits for that node to be reached: then this adds nothing. */
  greet(address: Address, bytes: () => Uint8Array): void {
    const dealer = this.#dealers.get(textOf(address));
    if (dealer && !dealer.send.isBusy) dealer.send.push([bytes()]);
  }

  /** Dials and subscribes anew: ZeroMQ gives a connection up for good after a frame that it does not admit. */
  redial(address: Address, publications: Address | undefined): void {
    this.hangUp(address);
    this.dial(address);
    if (!publications) return;
    this.unsubscribe(publications);
    this.subscribe(publications);
  }

  /** Resolves when what was published has left this process, or after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    await Promise.race([this.#publish.drained(), new Promise(resolve => setTimeout(resolve, timeoutMs))]);
  }

  close(): void {
    for (const { socket } of this.#dealers.values()) socket.close();
    for (const socket of [this.#subscriber, this.#publisher, this.#router, this.#doorkeeper]) socket.close();
  }

  async #listen(socket: zmq.Subscriber | zmq.Router | zmq.Dealer, at?: Address): Promise<void> {
    try {
      for await (const parts of socket) {
        const bytes = parts.at(-1) as Buffer;
        const sender = parts.length === 2 ? (parts[0] as Buffer) : undefined;
        this.#events.received({
          bytes,
          ...(at && { at }),
          ...(sender && { answer: answer => this.#answers.push([sender, answer]) }),
        });
      }
    } catch (error) {
      if (!socket.closed) throw error;
    }
  }

  /** ZAP (rfc.zeromq.org/spec/27): says for each connection whether it may enter. */
  async #keepDoor(): Promise<void> {
    try {
      for await (const [from, empty, version, request, , address] of this.#doorkeeper) {
        const admitted = isPrivate(String(address));
        if (!admitted) this.#events.refused(String(address));
        const status = admitted ? ["200", "OK"] : ["400", "not from here"];
        await this.#doorkeeper.send([from, empty, version, request, ...status, "", ""] as zmq.MessageLike[]);
      }
    } catch (error) {
      if (!this.#doorkeeper.closed) throw error;
    }
  }
}

/** One bounded queue and one loop a socket: overlapping sends on a socket throw. */
class Sender {
  readonly #socket: { send(parts: Uint8Array[]): Promise<void>; closed: boolean };
  readonly #max: number;
  #queue: Uint8Array[][] = [];
  #busy = false;
  #drained: (() => void)[] = [];
  dropped = 0;

  constructor(socket: zmq.Publisher | zmq.Router | zmq.Dealer, max = MAX_QUEUED) {
    this.#socket = socket as unknown as { send(parts: Uint8Array[]): Promise<void>; closed: boolean };
    this.#max = max;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get isBusy(): boolean {
    return this.#busy;
  }

  push(parts: Uint8Array[]): void {
    // A frame over the limit would cost the receiver the connection.
    const isTooLarge = parts.some(({ byteLength }) => byteLength > MAX_FRAME_BYTES);
    if (isTooLarge || this.#queue.length >= this.#max) this.dropped++;
    else this.#queue.push(parts);
    if (!this.#busy) void this.#run();
  }

  drained(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise(resolve => this.#drained.push(resolve));
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let parts = this.#queue.shift(); parts && !this.#socket.closed; parts = this.#queue.shift()) {
      try {
        await this.#socket.send(parts);
      } catch {
        // Not deliverable, or closed: whoever needs it asks again.
        this.dropped++;
      }
    }
    this.#busy = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

async function bind(socket: zmq.Router | zmq.Publisher, port: number): Promise<void> {
  const wanted = port === 0 ? "*" : String(port);
  try {
    await socket.bind(`tcp://*:${wanted}`);
  } catch (error) {
    const { code } = error as { code?: string };
    // A host without IPv6.
    if (code === "EAFNOSUPPORT" || code === "EINVAL") {
      socket.ipv6 = false;
      return bind4(socket, wanted, port);
    }
    throw explain(error, port);
  }
}

async function bind4(socket: zmq.Router | zmq.Publisher, wanted: string, port: number): Promise<void> {
  try {
    await socket.bind(`tcp://0.0.0.0:${wanted}`);
  } catch (error) {
    throw explain(error, port);
  }
}

function explain(error: unknown, port: number): Error {
  const { code, message } = error as { code?: string; message: string };
  return code === "EADDRINUSE"
    ? new Reject("port-in-use", `the bus port ${port} is in use: set ZMQ_PORT to a free one`)
    : new Reject("config-invalid", `the bus port ${port} cannot be opened: ${message}`);
}

function portOf(socket: zmq.Router | zmq.Publisher): number {
  return Number(socket.lastEndpoint?.split(":").at(-1));
}

function endpoint({ host, port }: Address): string {
  return `tcp://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
}
