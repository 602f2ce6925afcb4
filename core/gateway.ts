/** Socket.IO between browsers and this node. */
import type { Server as HttpServer, IncomingMessage } from "node:http";
import { Server, type Socket } from "socket.io";
import * as v from "valibot";
import { Audience, type Dialect, inDialect } from "./audience.ts";
import type { AckMode } from "./config.ts";
import { placeOf } from "./envelope.ts";
import { asReject, Reject } from "./errors.ts";
import { Bucket, type Rate } from "./limits.ts";
import type { Log } from "./log/log.ts";
import { Pace } from "./pace.ts";
import { Packets, Shared } from "./packets.ts";
import { hashToken, ticketOf } from "./people.ts";
import type { Message, Person, Session } from "./plugin.ts";
import type { Target } from "./plugins/calls/delivery.ts";
import { PageFailure } from "./plugins/page-failures.ts";
import { HistoryRequest, JoinRequest, type Reading, SearchRequest } from "./reading.ts";
import type { Registry } from "./registry.ts";
import type { Room, Rooms } from "./rooms.ts";
import type { Input, Outlet, Router } from "./router.ts";
import type { SignalMessage } from "./signals.ts";
import { Auth, type SignedIn, type SignIn } from "./signin.ts";
import type { ReachableNode, Visitor } from "./urls.ts";
import type { StateValue } from "./values.ts";
import { MAX_BACKLOG_BYTES, type Reply, type Wire, Wires } from "./wire.ts";

/** Largest frame that a client may send, in bytes; the connection of a larger one is closed. */
export const MAX_CLIENT_FRAME_BYTES = 512 * 1024;
/** Requests of one client that wait for one before them. */
const MAX_WAITING_REQUESTS = 256;
const MAX_WAITING_PAGES = 32;
const ASKING: Rate = { perSecond: 20, burst: 100 };
/** Kinds of visitors whose addresses of nodes are remembered. */
const MAX_KINDS = 256;
const SWEEP_MS = 1_000;
const CLOSE_WITHIN_MS = 1_000;

export type GatewayParts = {
  http: HttpServer;
  /** Of Socket.IO's requests. */
  path: string;
  router: Router;
  reading: Reading;
  signIn: SignIn;
  registry: Registry;
  rooms: Rooms;
  log: Log;
  rate: Rate;
  ack: AckMode;
  /** Largest file that a client may send. */
  blobBytes: number;
  /** The network address of whoever sent a request. */
  addressOf: (request: IncomingMessage) => string;
  /** Whether a request may come in, by the page that it comes from. */
  isFromOwnPage: (request: IncomingMessage) => boolean;
  node: () => { id: string; name: string; version: string };
  /** A fingerprint of the page; none where it is not built. */
  page: string | undefined;
  visitorOf: (request: IncomingMessage) => Visitor;
  /** The nodes that are up, this one first, with the addresses that this visitor can use. */
  nodes: (visitor: Visitor) => ReachableNode[];
  failed: (what: string, error: unknown) => void;
  /** A page says that a plugin failed in it. Throws `Reject` where that is not taken. */
  pageFailed: (failure: PageFailure, by: { person: string; address: string }) => void;
  count: (what: "received" | "refused" | "delivered" | "cut", amount: number) => void;
};

type Entered = SignedIn & { auth: Auth; address: string };

type Told = { nodes: ReachableNode[]; text: string };

type Client = {
  wire: Wire;
  session: Session;
  token: string;
  address: string;
  visitor: Visitor;
  told: Told;
  dialect: Dialect;
  joined: Set<string>;
  messages: Bucket | undefined;
  signals: Bucket | undefined;
  asking: Bucket | undefined;
  /** The request that the next one has to wait for. */
  tail: Promise<void> | undefined;
  waiting: number;
  /** Pages of history, and of what was found, that it has asked for and has no answer to. */
  pages: number;
  lastPage: Promise<unknown> | undefined;
  lagging: boolean;
};

export class Gateway implements Outlet {
  readonly #parts: GatewayParts;
  readonly #io: Server;
  readonly #clients = new Map<string, Client>();
  readonly #byPerson = new Map<string, Set<Client>>();
  readonly #wires: Wires;
  readonly #audience: Audience;
  readonly #sweeper: NodeJS.Timeout;
  readonly #told = new Map<string, Told>();
  readonly #state = new WeakMap<readonly StateValue[], Shared>();
  #telling: NodeJS.Immediate | undefined;
  #paused = false;
  /** What pages are told of the plugin that is being written. */
  #development: object | undefined;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#io = new Server(parts.http, {
      path: parts.path,
      serveClient: false,
      transports: ["websocket", "polling"],
      maxHttpBufferSize: MAX_CLIENT_FRAME_BYTES,
      cleanupEmptyChildNamespaces: true,
      allowRequest: (request, decide) => decide(null, !this.#paused && parts.isFromOwnPage(request)),
    });
    this.#wires = new Wires(this.#io, {
      received: ({ socket }, event, args, reply) => this.#received(socket, event, args, reply),
      backlog: ({ socket }, bytes) => this.#backlog(socket, bytes),
    });
    this.#audience = new Audience({
      early: room => parts.router.toldEarly(room),
      delivered: deliveries => parts.count("delivered", deliveries),
      pace: run => new Pace(run),
    });
    this.#io.use((socket, next) => {
      const refuse = (error: unknown) => {
        const { ok: _, ...data } = asReject(error).toJSON();
        if (!(error instanceof Reject)) parts.failed("sign-in", error);
        next(Object.assign(new Error(data.message), { data }));
      };
      if (!this.#wires.claim(socket)) return refuse(new Reject("invalid", "a connection is for one session"));
      this.#signIn(socket).then(
        signedIn => {
          socket.data = signedIn;
          next();
        },
        (error: unknown) => {
          this.#wires.release(socket);
          refuse(error);
        },
      );
    });
    this.#io.on("connection", socket => this.#connected(socket));
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  /** How many sessions are connected. */
  get size(): number {
    return this.#clients.size;
  }

  /** The sessions that are connected. */
  get sessions(): Session[] {
    return [...this.#clients.values()].map(({ session }) => session);
  }

  /** Tells every page how it stands with the plugin that is being written, also those that come later. */
  develop(development: object): void {
    this.#development = development;
    this.#tellAll("chat:dev", development);
  }

  async #signIn(socket: Socket): Promise<Entered> {
    const parsed = v.safeParse(Auth, socket.handshake.auth);
    if (!parsed.success) throw new Reject("invalid", `auth: ${parsed.issues[0].message}`);
    const auth = parsed.output;
    const address = this.#parts.addressOf(socket.request);
    const signedIn = await this.#parts.signIn.enter(auth, address);
    const place = auth.after === undefined ? undefined : placeOf(auth.after);
    if (place) this.#parts.router.authorWasAt(signedIn.person.id, place.hlc);
    return { ...signedIn, auth, address };
  }

  #connected(socket: Socket): void {
    const { person, token, auth, address } = socket.data as Entered;
    const visitor = this.#parts.visitorOf(socket.request);
    const client: Client = {
      wire: this.#wires.attach(socket),
      session: { id: socket.id, person },
      token,
      address,
      visitor,
      told: { nodes: [], text: "" },
      dialect: this.#audience.enter(
        auth.batch,
        auth.types.filter(type => this.#parts.registry.get(type)),
      ),
      joined: new Set(),
      messages: undefined,
      signals: undefined,
      asking: undefined,
      tail: undefined,
      waiting: 0,
      pages: 0,
      lastPage: undefined,
      lagging: false,
    };
    this.#clients.set(socket.id, client);
    this.#byPerson.set(person.id, (this.#byPerson.get(person.id) ?? new Set()).add(client));
    socket.data = NOTHING;
    socket.on("disconnect", () => this.#disconnected(client));
    this.#parts.router.deliveries.joined(client.session);
    this.#welcome(client);
    if (this.#development) client.wire.tell("chat:dev", this.#development);
  }

  #disconnected(client: Client): void {
    const { id, person } = client.session;
    this.#clients.delete(id);
    const others = this.#byPerson.get(person.id);
    others?.delete(client);
    if (others?.size === 0) this.#byPerson.delete(person.id);
    this.#audience.leave(client);
    this.#parts.router.deliveries.left(client.session);
  }

  #welcome(client: Client): void {
    const { wire, session, token } = client;
    client.told = this.#nodesFor(client);
    const { node, registry, rooms, router, rate, ack, blobBytes, page } = this.#parts;
    const welcome = {
      protocol: 1,
      you: session.person,
      token,
      ticket: ticketOf(token),
      node: node(),
      nodes: client.told.nodes,
      types: registry.versions(),
      page,
      rooms: rooms.all(),
      ack,
      limits: {
        messagesPerSecond: rate.perSecond,
        burst: rate.burst,
        frameBytes: MAX_CLIENT_FRAME_BYTES,
        blobBytes,
      },
    };
    wire.tellWith("welcome", welcome, "state", this.#shared(router.state()));
  }

  /** As long as the values are the same list, they are encoded once for all who come. */
  #shared(values: readonly StateValue[]): Shared {
    const shared = this.#state.get(values) ?? new Shared(values);
    this.#state.set(values, shared);
    return shared;
  }

  /** What visitors of one kind are told of the nodes is worked out once for all of them. */
  #nodesFor({ visitor }: Client): Told {
    const kind = JSON.stringify(visitor);
    let told = this.#told.get(kind);
    if (!told) {
      const nodes = this.#parts.nodes(visitor);
      told = { nodes, text: JSON.stringify(nodes) };
      if (this.#told.size >= MAX_KINDS) this.#told.clear();
      this.#told.set(kind, told);
    }
    return told;
  }

  /** A request is handled after those before it of the same client have been given their place. */
  #received({ id }: Socket, event: string, [input]: unknown[], reply: Reply): void {
    const client = this.#clients.get(id);
    if (!client) return;
    const refuse = (error: unknown) => this.#refuse(event, error, reply);
    const handle = () => {
      try {
        return this.#handle(client, event, input, reply)?.catch(refuse);
      } catch (error) {
        refuse(error);
        return undefined;
      }
    };
    if (this.#paused) return refuse(new Reject("stopping"));
    if (client.waiting >= MAX_WAITING_REQUESTS)
      return refuse(new Reject("rate-limited", undefined, { retryAfterMs: 1_000 }));
    const handled = client.tail ? client.tail.then(handle) : handle();
    if (!handled) return;
    client.waiting++;
    const tail = handled.then(() => {
      client.waiting--;
      if (client.tail === tail) client.tail = undefined;
    });
    client.tail = tail;
  }

  #refuse(event: string, error: unknown, reply: Reply): void {
    if (!(error instanceof Reject)) this.#parts.failed(event, error);
    this.#parts.count("refused", 1);
    reply(asReject(error).toJSON());
  }

  /** Returns what the next request has to wait for, if anything; for a message that is not its commit. */
  #handle(client: Client, event: string, input: unknown, reply: Reply): Promise<void> | undefined {
    // What waited behind a slower request when the connection ended must not bring its session back.
    if (!this.#clients.has(client.session.id)) return undefined;
    const request = REQUESTS.get(event);
    if (typeof input !== "object" || input === null || Array.isArray(input))
      throw new Reject("invalid", "the payload is an object");
    if (!request) return this.#message(client, event, input, reply);
    client.asking ??= new Bucket(this.#parts.rate.perSecond === 0 ? this.#parts.rate : ASKING);
    client.asking.take();
    return this[request](client, input, reply);
  }

  #message(client: Client, event: string, input: Input, reply: Reply): Promise<void> | undefined {
    const type = this.#parts.registry.get(event);
    const bucket = type?.kind === "signal" ? "signals" : "messages";
    client[bucket] ??= new Bucket(this.#parts.rate);
    client[bucket].take();
    const { room } = input;
    if (type && type.kind !== "state" && typeof room === "string" && !client.joined.has(room)) {
      this.#parts.rooms.assertReadable(client.session.person, room);
      throw new Reject("not-in-room");
    }
    const accepted = this.#parts.router.accept(client.session, event, input);
    const send = (commit: () => Promise<object>) => {
      this.#parts.count("received", 1);
      commit().then(reply, (error: unknown) => this.#refuse(event, error, reply));
    };
    if (accepted instanceof Promise) return accepted.then(send);
    send(accepted);
    return undefined;
  }

  async join(client: Client, input: object, reply: Reply): Promise<void> {
    const request = parse(JoinRequest, input);
    const { session, dialect } = client;
    const { id } = this.#parts.rooms.assertReadable(session.person, request.room);
    assertReads(client);
    client.joined.add(id);
    const enter = () =>
      this.#audience.join(
        client,
        id,
        () => this.#parts.reading.join(session.person, request),
        joined => reply({ ok: true, ...joined, messages: joined.messages.map(message => inDialect(message, dialect)) }),
      );
    await enter().catch((error: unknown) => {
      // What was read was taken back meanwhile. To join again without a cursor is what a client without one has just done.
      const isOver = !this.#clients.has(session.id);
      if (request.cursor || isOver || asReject(error).code !== "reset") throw error;
      return enter();
    });
  }

  async leave(client: Client, input: object, reply: Reply): Promise<void> {
    const { room } = parse(v.object({ room: v.string() }), input);
    client.joined.delete(room);
    this.#audience.dismiss(client, room);
    reply({ ok: true });
  }

  async history(client: Client, input: object, reply: Reply): Promise<void> {
    const request = parse(HistoryRequest, input);
    this.#page(client, "history", reply, () => this.#parts.reading.history(client.session.person, request));
  }

  async search(client: Client, input: object, reply: Reply): Promise<void> {
    const request = parse(SearchRequest, input);
    this.#page(client, "search", reply, () => this.#parts.reading.search(client.session.person, request));
  }

  /** Answered out of turn, as nothing that a client sends depends on it; but one after another. */
  #page(client: Client, event: string, reply: Reply, read: () => Promise<{ messages: Message[] }>): void {
    if (client.pages >= MAX_WAITING_PAGES) throw new Reject("rate-limited", undefined, { retryAfterMs: 1_000 });
    assertReads(client);
    client.pages++;
    client.lastPage = (client.lastPage ?? Promise.resolve())
      .then(() => {
        assertReads(client);
        return read();
      })
      .then(({ messages, ...rest }) => {
        reply({ ok: true, messages: messages.map(message => inDialect(message, client.dialect)), ...rest });
      })
      .catch((error: unknown) => this.#refuse(event, error, reply))
      .finally(() => client.pages--);
  }

  async makeRoom({ session, address }: Client, input: object, reply: Reply): Promise<void> {
    const { name } = input as { name?: unknown };
    const room = await this.#parts.signIn.makeRoom(session.person, name, address);
    reply({ ok: true, room });
  }

  async link({ session }: Client, _input: object, reply: Reply): Promise<void> {
    reply({ ok: true, ...(await this.#parts.signIn.link(session.person)) });
  }

  async logOut({ session, token }: Client, _input: object, reply: Reply): Promise<void> {
    await this.#parts.signIn.logOut({ person: session.person, token });
    reply({ ok: true });
  }

  async pluginFailed({ session, address }: Client, input: object, reply: Reply): Promise<void> {
    this.#parts.pageFailed(parse(PageFailure, input), { person: session.person.id, address });
    reply({ ok: true });
  }

  hears(room: string): boolean {
    return this.#audience.hears(room);
  }

  messages(room: string, messages: Message[]): void {
    this.#audience.messages(room, messages);
  }

  signal(to: Target, signal: SignalMessage, except?: string): void {
    if (to === "all") return this.#tellAll(signal.type, signal);
    if ("session" in to) return this.#clients.get(to.session)?.wire.tell(signal.type, signal);
    const packets = Packets.of(signal.type, JSON.stringify(signal));
    this.#audience.tell(to.room, packets, except === undefined ? undefined : this.#clients.get(except)?.wire);
  }

  state(values: readonly StateValue[]): void {
    if (values.length > 0) this.#tellAll("state", values);
  }

  stored(author: string, messages: { id: string; copies: number }[]): void {
    for (const { wire } of this.#byPerson.get(author) ?? []) wire.tell("stored", messages);
  }

  reset(rooms: readonly string[]): void {
    for (const client of this.#clients.values())
      for (const room of rooms.filter(room => client.joined.has(room))) {
        this.#audience.dismiss(client, room);
        client.wire.tell("reset", { room });
      }
  }

  rooms(rooms: Room[]): void {
    this.#tellAll("chat:rooms", rooms);
  }

  /** Once for whatever this turn of the loop brings. */
  nodes(): void {
    this.#telling ??= setImmediate(() => {
      this.#telling = undefined;
      this.#told.clear();
      for (const client of this.#clients.values()) {
        const told = this.#nodesFor(client);
        if (told.text !== client.told.text) client.wire.tell("chat:nodes", told.nodes);
        client.told = told;
      }
    });
  }

  renamed(person: Person): void {
    for (const client of this.#byPerson.get(person.id) ?? []) {
      client.session = { ...client.session, person };
      client.wire.tell("renamed", { name: person.name });
      this.#parts.router.deliveries.joined(client.session);
    }
  }

  /** Every tab of a browser holds the same token, on whichever node. */
  ended(sessions: string[]): void {
    const ended = new Set(sessions);
    const ending = [...this.#clients.values()].filter(({ token }) => ended.has(hashToken(token)));
    // After the ack of the one that asked for it.
    setImmediate(() => {
      for (const { wire } of ending) wire.socket.disconnect(true);
    });
  }

  #tellAll(event: string, payload: unknown): void {
    const packets = Packets.of(event, JSON.stringify(payload));
    for (const { wire } of this.#clients.values()) wire.tellAlike(packets);
  }

  /** Socket.IO never pushes back on a slow reader: it is told, and cut off before its backlog fills the memory. */
  #backlog({ id }: Socket, bytes: number): void {
    const client = this.#clients.get(id);
    if (!client) return;
    if (bytes > MAX_BACKLOG_BYTES) {
      this.#parts.count("cut", 1);
      client.wire.cut();
    } else if (!client.lagging) {
      client.lagging = true;
      client.wire.tell("lagging", {});
    }
  }

  #sweep(): void {
    for (const client of this.#clients.values())
      if (client.lagging && client.wire.waiting < MAX_BACKLOG_BYTES / 2) client.lagging = false;
  }

  /** Bytes that wait for clients to read them: of all, and of the one with the most. */
  get backlog(): { total: number; most: number } {
    let [total, most] = [0, 0];
    for (const { wire } of this.#clients.values()) {
      total += wire.waiting;
      most = Math.max(most, wire.waiting);
    }
    return { total, most };
  }

  /** Requests that have no answer yet, without messages that wait for their commit. */
  get requests(): number {
    return [...this.#clients.values()].reduce((sum, { waiting, pages }) => sum + waiting + pages, 0);
  }

  /** Messages that are kept back for those who join. */
  get held(): number {
    return this.#audience.held;
  }

  /** Admits and reads nothing more; what clients are told still goes out. */
  pause(): void {
    this.#paused = true;
    for (const { wire } of this.#clients.values()) wire.pause();
  }

  /** Ends all connections; those that do not end by themselves within `CLOSE_WITHIN_MS` are cut. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#paused = true;
    this.#audience.close();
    const wires = [...this.#clients.values()].map(({ wire }) => wire);
    // Without reading on, nobody's goodbye would be heard.
    for (const wire of wires) wire.resume();
    const cut = setTimeout(() => {
      for (const wire of wires) wire.cut();
    }, CLOSE_WITHIN_MS);
    await this.#io.close();
    clearTimeout(cut);
  }
}

const NOTHING = Object.freeze({});

type Request = "join" | "leave" | "history" | "search" | "makeRoom" | "link" | "logOut" | "pluginFailed";

/** The requests of the protocol that are no message types. */
const REQUESTS = new Map([
  ["join", "join"],
  ["leave", "leave"],
  ["history", "history"],
  ["search", "search"],
  ["chat:room", "makeRoom"],
  ["chat:link", "link"],
  ["chat:logout", "logOut"],
  ["chat:fault", "pluginFailed"],
] as const) as ReadonlyMap<string, Request>;

/** Pages are large, and nothing is cut off for what was asked for: the next one has to be read before. */
function assertReads({ wire }: Client): void {
  if (wire.waiting > MAX_BACKLOG_BYTES / 2) throw new Reject("rate-limited", undefined, { retryAfterMs: 1_000 });
}

function parse<Schema extends v.GenericSchema>(schema: Schema, input: object): v.InferOutput<Schema> {
  const parsed = v.safeParse(schema, input);
  if (!parsed.success) throw new Reject("invalid", parsed.issues[0].message);
  return parsed.output;
}
