/** The ZeroMQ sockets between nodes. Only moves frames; what they mean stands above. */
import * as zmq from "zeromq";
import { isIP, isPrivate } from "../addresses.ts";
import { MAX_FRAME_BYTES } from "../envelope.ts";
import { Reject } from "../errors.ts";
import { type Address, textOf } from "./address.ts";
import { Answers } from "./answers.ts";
import { type Caller, Doorkeeper, openDoor } from "./doorkeeper.ts";
import { type KeyPair, z85 } from "./keys.ts";
import { MAX_QUEUED, Sender } from "./sender.ts";
import { Strangers } from "./strangers.ts";

const COMMON = { linger: 0, maxMessageSize: MAX_FRAME_BYTES + 1024, ipv6: true };
const DIALING = { ...COMMON, reconnectInterval: 200, reconnectMaxInterval: 2_000, connectTimeout: 2_000 };
const DOMAIN = "web-chat";
/** How long somebody who connects may take to prove that he may; ZeroMQ's own 30 s keep more of them waiting. */
const HANDSHAKE_MS = 5_000;
const SERVING = { ...COMMON, zapDomain: DOMAIN, zapEnforceDomain: true, handshakeInterval: HANDSHAKE_MS };
/** Requests that wait unread, and answers that wait to be read, for each peer: they may be large, and are asked for again. */
const MAX_WAITING = 64;
const ANSWER_AGAIN_MS = 10;
/** ZeroMQ gives up an address where a handshake failed; that node may have restarted with the right secret since. */
const TRY_AGAIN_MS = 2_000;

/** What arrived, and how to answer it. `at` is the address where this node had asked, `from` the connection that asks. */
export type Received = { bytes: Uint8Array; at?: Address; from?: string; answer?: (bytes: Uint8Array) => void };

export type BusEvents = {
  received(frame: Received): void;
  /** Nobody listens at an address that was dialed. */
  unreachable(address: Address): void;
  /** A stranger's connection was refused; the address is known where ZeroMQ or the system says it. */
  refused(address: string | undefined): void;
  /** Nobody is let in any more, and why; undefined once the door is kept again. */
  shut(why: string | undefined): void;
  /** The node at an address that was dialed has another secret, or none, or this one has none. */
  estranged(address: Address): void;
};

export type BusOptions = {
  port: number;
  pubPort: number;
  /** The first serves, and a dialer tries each; without any, the bus is open to private addresses, and to no other. */
  keys: readonly KeyPair[];
};

export class Bus {
  readonly #events: BusEvents;
  readonly #keys: readonly KeyPair[];
  // A context of its own: the doorkeeper's address is one a context, and a process may hold several nodes.
  readonly #context = new zmq.Context();
  readonly #router = new zmq.Router({
    ...SERVING,
    context: this.#context,
    // What cannot be sent at once is kept by peer, in `Answers`.
    mandatory: true,
    sendTimeout: 0,
    sendHighWaterMark: MAX_WAITING,
    receiveHighWaterMark: MAX_WAITING,
  });
  readonly #publisher = new zmq.Publisher({ ...SERVING, context: this.#context, sendHighWaterMark: MAX_QUEUED });
  /** One for each key: ZeroMQ has a socket's keys fixed once it is in use. */
  readonly #subscribers: readonly zmq.Subscriber[];
  /** By the address of the publications; `node` is the one that was dialed. */
  readonly #subscribed = new Map<string, { subscriber: zmq.Subscriber; publications: Address; node: string }>();
  readonly #dealers = new Map<string, { socket: zmq.Dealer; send: Sender }>();
  /** By address: how many keys have failed there. */
  readonly #failures = new Map<string, number>();
  readonly #retries = new Set<NodeJS.Timeout>();
  #doorkeeper: Doorkeeper | undefined;
  readonly #strangers: Strangers;
  readonly #publish = new Sender(this.#publisher);
  readonly #answers = new Answers(this.#router, run => void setTimeout(run, ANSWER_AGAIN_MS).unref());
  #ports = { requests: 0, publications: 0 };
  /** Frames that dealers dropped which are hung up by now: a count must not fall. */
  #droppedBefore = 0;

  private constructor(events: BusEvents, keys: readonly KeyPair[]) {
    this.#events = events;
    this.#keys = keys;
    this.#strangers = new Strangers(events.refused);
    const dialing = keys.length === 0 ? [{}] : keys.map(dialingWith);
    this.#subscribers = dialing.map(
      security =>
        new zmq.Subscriber({ ...DIALING, ...security, context: this.#context, receiveHighWaterMark: MAX_QUEUED }),
    );
    const [own] = keys;
    if (!own) return;
    for (const socket of [this.#router, this.#publisher])
      Object.assign(socket, { curveServer: true, curvePublicKey: own.publicKey, curveSecretKey: own.secretKey });
  }

  /**
   * Opens the bus: requests on `port`, publications on `pubPort` (0 takes a free one). Throws `Reject` where a port is in
   * use. `door` opens the socket at which ZeroMQ asks who may enter.
   */
  static async open(events: BusEvents, { port, pubPort, keys }: BusOptions, door = openDoor): Promise<Bus> {
    const bus = new Bus(events, keys);
    try {
      // The doorkeeper first: nobody is to be asked about before he is there.
      bus.#doorkeeper = await Doorkeeper.open({
        open: () => door(bus.#context),
        admits: caller => bus.#admits(caller),
        shut: events.shut,
      });
      bus.#watchDoor();
      await bind(bus.#router, port);
      await bind(bus.#publisher, pubPort);
    } catch (error) {
      bus.close();
      throw error;
    }
    bus.#ports = { requests: portOf(bus.#router), publications: portOf(bus.#publisher) };
    bus.#strangers.watch(Object.values(bus.#ports));
    for (const subscriber of bus.#subscribers) {
      subscriber.subscribe();
      void bus.#listen(subscriber);
    }
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

  /** Bytes of the frames that wait to be sent. */
  get queuedBytes(): number {
    let bytes = this.#publish.bytes + this.#answers.bytes;
    for (const { send } of this.#dealers.values()) bytes += send.bytes;
    return bytes;
  }

  /** To every subscriber. */
  publish(bytes: Uint8Array): void {
    this.#publish.push([bytes]);
  }

  /** To the publications of the node that was dialed at `node`. */
  subscribe(publications: Address, node: Address): void {
    const subscriber = this.#subscribers[this.#keyAt(node)] as zmq.Subscriber;
    this.#subscribed.set(textOf(publications), { subscriber, publications, node: textOf(node) });
    subscriber.connect(endpoint(publications));
  }

  unsubscribe(address: Address): void {
    this.#subscribed.get(textOf(address))?.subscriber.disconnect(endpoint(address));
    this.#subscribed.delete(textOf(address));
  }

  dial(address: Address): void {
    const key = this.#keys[this.#keyAt(address)];
    let socket: zmq.Dealer | undefined;
    try {
      socket = new zmq.Dealer({
        ...DIALING,
        ...(key && dialingWith(key)),
        context: this.#context,
        immediate: true,
        sendHighWaterMark: 1_000,
        receiveHighWaterMark: MAX_WAITING,
      });
      this.#watch(socket, address);
      socket.connect(endpoint(address));
    } catch {
      // No address at all, or no socket is left: nobody will ever answer there.
      socket?.close();
      this.#events.unreachable(address);
      return;
    }
    this.#dealers.set(textOf(address), { socket, send: new Sender(socket, 1_000) });
    void this.#listen(socket, address);
  }

  #watch(socket: zmq.Dealer, address: Address): void {
    socket.events.on("connect:retry", () => this.#events.unreachable(address));
    for (const event of ["handshake:error:protocol", "handshake:error:auth", "handshake:error:other"] as const)
      socket.events.on(event, () => this.#estranged(address, socket));
  }

  /** Which key to dial with: the next one after each that failed there. */
  #keyAt(address: Address): number {
    return (this.#failures.get(textOf(address)) ?? 0) % Math.max(1, this.#keys.length);
  }

  #estranged(address: Address, socket: zmq.Dealer): void {
    const isCurrent = () => this.#dealers.get(textOf(address))?.socket === socket;
    if (!isCurrent()) return;
    const failures = (this.#failures.get(textOf(address)) ?? 0) + 1;
    this.#failures.set(textOf(address), failures);
    if (failures % Math.max(1, this.#keys.length) === 0) this.#events.estranged(address);
    const retry = setTimeout(
      () => {
        this.#retries.delete(retry);
        if (isCurrent()) this.redial(address, this.#publicationsOf(address));
      },
      failures < this.#keys.length ? 0 : TRY_AGAIN_MS,
    );
    this.#retries.add(retry);
  }

  /** What was subscribed with a key that has failed there has to be subscribed with the next one. */
  #publicationsOf(node: Address): Address | undefined {
    return [...this.#subscribed.values()].find(subscribed => subscribed.node === textOf(node))?.publications;
  }

  hangUp(address: Address): void {
    this.#failures.delete(textOf(address));
    this.#close(address);
  }

  #close(address: Address): void {
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
    this.#close(address);
    this.dial(address);
    if (!publications) return;
    this.unsubscribe(publications);
    this.subscribe(publications, address);
  }

  /** Resolves when what was published has left this process, or after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    await Promise.race([this.#publish.drained(), new Promise(resolve => setTimeout(resolve, timeoutMs))]);
  }

  close(): void {
    for (const retry of this.#retries) clearTimeout(retry);
    this.#strangers.close();
    for (const { socket } of this.#dealers.values()) socket.close();
    // What is still to be heard of them is nobody's concern: it would have them dialed again.
    this.#dealers.clear();
    for (const socket of [...this.#subscribers, this.#publisher, this.#router]) socket.close();
    this.#doorkeeper?.close();
  }

  async #listen(socket: zmq.Subscriber | zmq.Router | zmq.Dealer, at?: Address): Promise<void> {
    try {
      for await (const parts of socket) {
        const bytes = parts.at(-1) as Buffer;
        const sender = parts.length === 2 ? (parts[0] as Buffer) : undefined;
        this.#events.received({
          bytes,
          ...(at && { at }),
          ...(sender && {
            from: sender.toString("latin1"),
            answer: answer => this.#answers.push(sender, answer),
          }),
        });
      }
    } catch (error) {
      if (!socket.closed) throw error;
    }
  }

  #admits({ address, mechanism, key }: Caller): boolean {
    const admitted =
      this.#keys.length === 0 ? isPrivate(address) : mechanism === "CURVE" && key !== undefined && this.#holds(key);
    if (admitted) this.#strangers.admitted(address);
    else this.#strangers.refused(address);
    return admitted;
  }

  /** The doorkeeper is not asked about those who have no key that fits, or are no nodes at all. */
  #watchDoor(): void {
    for (const { events } of [this.#router, this.#publisher]) {
      for (const event of ["accept", "disconnect"] as const) events.on(event, () => this.#strangers.changed());
      for (const event of ["handshake:error:protocol", "handshake:error:other"] as const)
        events.on(event, () => this.#strangers.changed(true));
    }
  }

  #holds(key: Uint8Array): boolean {
    const text = key.length === 32 ? z85(key) : "";
    return this.#keys.some(({ publicKey }) => publicKey === text);
  }
}

/** One pair for all: it tells the server who asks, and the one who asks that it is the right server. */
function dialingWith({ publicKey, secretKey }: KeyPair) {
  return { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: publicKey };
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
