/** The one path of a message: browser or peer -> plugin -> log, state or signal -> browsers and peers. */
import { validate as isUuid, v7 as uuid, v5 as uuidOf, version as versionOf } from "uuid";
import type { BlobFiles } from "./blobs/files.ts";
import { type Clock, millisecondsOf } from "./clock.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { EarlyPorts } from "./cluster/early.ts";
import type { AckMode } from "./config.ts";
import { Deliveries } from "./deliveries.ts";
import { Drafts } from "./drafts.ts";
import { type Draft, type Envelope, FACT, FACTS, keyOf } from "./envelope.ts";
import { asReject, Reject } from "./errors.ts";
import { readFact } from "./facts.ts";
import type { Forgotten } from "./forgotten.ts";
import { FORK } from "./forks.ts";
import { Holders } from "./holders.ts";
import type { Committed, Log, Stored } from "./log/log.ts";
import { toMessage } from "./messages.ts";
import type { People } from "./people.ts";
import type { Message, NodeFigures, Person, Receiving, Role, ServerContext, Session, StoredBlob } from "./plugin.ts";
import type { Target } from "./plugins/calls/delivery.ts";
import type { Registry, Type } from "./registry.ts";
import type { Room, Rooms } from "./rooms.ts";
import { type SignalMessage, Signals } from "./signals.ts";
import type { Time } from "./time.ts";
import { type StateValue, Values } from "./values.ts";

/** Where the router hands over what browsers shall see. */
export type Outlet = {
  /** How many clients there are. */
  readonly size: number;
  /** Whether anybody here would be told of a room's messages. */
  hears(room: string): boolean;
  /** Committed messages of a room, in commit order. */
  messages(room: string, messages: Message[]): void;
  signal(to: Target, signal: SignalMessage, except?: string): void;
  state(values: readonly StateValue[]): void;
  /** More nodes hold messages of that author, who is told at every session here: the sending one may be gone. */
  stored(author: string, messages: { id: string; copies: number }[]): void;
  rooms(rooms: Room[]): void;
  /** Perhaps other nodes are up than before. */
  nodes(): void;
  /** What clients hold of these rooms is not what the log holds any more: they have to join anew. */
  reset(rooms: readonly string[]): void;
  renamed(person: Person): void;
  /** These sessions, by the hash of their token, have ended. */
  ended(sessions: string[]): void;
};

export type Ack = { ok: true; id?: string; at?: number; key?: string; copies?: number };
/** What a client sent under a type's name. */
export type Input = { id?: unknown; room?: unknown; body?: unknown; ref?: unknown };

export type RouterParts = {
  registry: Registry;
  log: Log;
  clock: Clock;
  time: Time;
  people: People;
  rooms: Rooms;
  blobs: Pick<BlobFiles, "has" | "touch" | "info" | "read">;
  ack: AckMode;
  forgotten: Forgotten;
  figures: () => NodeFigures;
  failed: (type: string, error: unknown) => void;
};

/** After which a sender may ask again whether another node has its message. */
const ASK_AGAIN_MS = 1_000;

/** The name space of the ids that plugins make of a text. */
const SEEDED = "3ddb63b6-8e48-5d1c-9d61-3bd87a6a1f5e";

/** The version of those ids, which no client gives a message. */
const OF_PLUGINS = 8;

/** What may be told before its commit: an erasure is to be found in the log as well by whoever hears of it. */
const TOLD_EARLY: ReadonlySet<string> = new Set<Role>(["row", "mark", "replace"]);

type Place = Pick<Envelope, "origin" | "seq" | "n" | "hlc">;

export class Router {
  readonly holders: Holders;
  readonly signals: Signals;
  readonly deliveries: Deliveries;
  readonly #parts: RouterParts;
  readonly #context: ServerContext;
  readonly #drafts: Drafts;
  #values: Values | undefined;
  #cluster: Cluster | undefined;
  #outlet: Outlet | undefined;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#context = {
      now: () => parts.clock.now(),
      find: (id, author) => this.#forPlugin("find", this.find(id, author)),
      blob: hash => this.#forPlugin("blob", this.blob(hash, "")),
      idFor,
      node: parts.figures,
    };
    this.holders = new Holders({ ...parts, stored: (author, messages) => this.#outlet?.stored(author, messages) });
    this.signals = new Signals(parts);
    this.#drafts = new Drafts(parts);
    this.deliveries = new Deliveries({
      ...parts,
      context: this.#context,
      drafts: this.#drafts,
      signals: this.signals,
      values: () => this.#values,
      append: drafts => this.#append(drafts),
    });
  }

  /** Connects both ends; before this nothing is delivered. */
  connect(cluster: Cluster, outlet: Outlet): void {
    const { registry, time, failed } = this.#parts;
    this.#cluster = cluster;
    this.#outlet = outlet;
    this.holders.connect(cluster);
    this.signals.connect(cluster, (to, signal, except) => outlet.signal(to, signal, except));
    this.#values = new Values({
      registry,
      cluster,
      time,
      clients: () => outlet.size,
      tell: values => this.#outlet?.state(values),
      failed,
    });
  }

  /** What fails of this node is not a plugin's fault. */
  #forPlugin<Result>(what: string, found: Promise<Result>): Promise<Result> {
    const told = found.catch(error => {
      if (!(error instanceof Reject)) this.#parts.failed(what, error);
      throw asReject(error);
    });
    // A plugin that does not wait for it leaves nothing uncaught.
    told.catch(() => {});
    return told;
  }

  /** A message that this node holds, or is about to. */
  async find(id: string, author?: string): Promise<Message | undefined> {
    const early = this.#cluster?.early;
    // Looked for first: it may be committed while the log is read.
    const told = early?.find(id, author) ?? early?.find(id);
    if (told && (author === undefined || told.author === author)) return toMessage(told, this.#parts.registry);
    const stored = (await this.#parts.log.find(id, author)) ?? told;
    return stored && toMessage(stored, this.#parts.registry);
  }

  /** A file that this node holds, or gets from another for that person: whoever uploaded it may have hopped here since. */
  async blob(hash: string, whom: string): Promise<StoredBlob | undefined> {
    const { blobs } = this.#parts;
    await this.#cluster?.fetchBlob(hash, whom);
    const info = await blobs.info(hash);
    return info && { hash, ...info, read: (from, to) => blobs.read(hash, from, to) };
  }

  /**
   * A client sent something. Returns, perhaps later, what sends it on: that call gives it its place in the order, and
   * resolves when it is committed. Throws or rejects with `Reject`.
   */
  accept(from: Session, name: string, input: Input): (() => Promise<Ack>) | Promise<() => Promise<Ack>> {
    const type = this.#parts.registry.get(name);
    if (!type) throw new Reject("unknown-type");
    const { receive } = type.hooks;
    if (!receive) throw new Reject("not-allowed", `clients cannot send “${name}”`);
    // Before anything is made of it: what is refused has to cost next to nothing.
    if (type.kind === "log") this.#parts.log.assertOpen();
    const { id, ref } = input;
    if (id !== undefined && !(typeof id === "string" && isUuid(id)))
      throw new Reject("invalid", "the id is not a UUID");
    // Whoever took the id that a plugin is going to need would keep its message out.
    if (id !== undefined && versionOf(id) === OF_PLUGINS)
      throw new Reject("invalid", `ids of version ${OF_PLUGINS} are for plugins to give`);
    if (ref !== undefined && !(typeof ref === "string" && isUuid(ref)))
      throw new Reject("invalid", "the ref is not an id");
    if (ref === undefined && type.kind === "log" && type.role !== "row")
      throw new Reject("invalid", "the ref is missing: the message refers to another one");
    // A state belongs to no room.
    const room = type.kind === "state" ? "" : this.#parts.rooms.assertReadable(from.person, input.room).id;
    let fetching = 0;
    const blob = (hash: string) => {
      fetching++;
      const found = this.#forPlugin("blob", this.blob(hash, from.person.id));
      const done = () => void fetching--;
      found.then(done, done);
      return found;
    };
    const context: Receiving = { ...this.#context, blob, from, room, ...(ref !== undefined && { ref }) };
    const parsed = type.parse(input.body);
    const send = (body: unknown) => () => this.#send(type, from, body, { id: id ?? uuid(), room, ref: ref ?? null });
    const body = receive(parsed, context, () => fetching > 0);
    return body instanceof Promise ? body.then(send) : send(body);
  }

  async #send(
    type: Type,
    from: Session,
    body: unknown,
    to: { id: string; room: string; ref: string | null },
  ): Promise<Ack> {
    if (type.kind === "state") {
      this.#values?.prepare(type, body)();
      return { ok: true };
    }
    if (type.kind === "signal") {
      this.signals.prepare(type, from.person, body, { room: to.room }, from.id)();
      return { ok: true };
    }
    return this.#keep(this.#drafts.make(type, from.person, body, to));
  }

  /**
   * Commits what a client sent, and acks it. Names, rooms and logouts never wait for a peer as this may: nobody could sign
   * in on a node that is alone, and two halves of a partition that gave one name away settle that when they meet.
   */
  async #keep(draft: Draft): Promise<Ack> {
    const waits = this.#parts.ack === "peer";
    if (waits && this.holders.areFull)
      throw new Reject("overloaded", "no other node keeps up", { retryAfterMs: ASK_AGAIN_MS });
    const [place] = (await this.#append([draft])) as [Place];
    const held = { ...place, blobs: draft.blobs };
    this.holders.sent(held, draft.author, draft.id);
    if (waits && !(await this.holders.confirmed(held)))
      throw new Reject("unconfirmed", undefined, { retryAfterMs: ASK_AGAIN_MS });
    const copies = this.holders.copiesOf(held);
    return { ok: true, id: draft.id, at: millisecondsOf(place.hlc), key: keyOf(place), copies };
  }

  /** Where they were put, in one commit; of those whose author wrote that id before, the first one's place. */
  async #append(drafts: readonly Draft[]): Promise<Place[]> {
    const outcomes = await this.#parts.log.append(drafts);
    return drafts.map(({ author }, index) => {
      const outcome = outcomes[index];
      if (outcome?.status === "stored") return outcome.envelope;
      if (outcome?.status === "known") {
        this.#drafts.authorWasAt(author, outcome.place.hlc);
        return outcome.place;
      }
      if (outcome?.status === "refused") throw new Reject(outcome.code, outcome.message);
      throw new Reject("internal");
    });
  }

  /** What peers wrote and people here may see before it is committed here: nothing in it that only a commit decides. */
  readonly early: EarlyPorts = {
    mayTell: ({ role, room, body, blobs, type }) =>
      TOLD_EARLY.has(role) &&
      room !== FACTS &&
      body !== null &&
      // A file may not be here yet.
      blobs.length === 0 &&
      this.#parts.registry.get(type) !== undefined,
    tell: envelopes => {
      const { clock, failed } = this.#parts;
      try {
        const { deliver, rooms } = this.#sorting();
        for (const envelope of envelopes) {
          clock.observe(envelope.hlc);
          deliver(envelope);
        }
        for (const [room, messages] of rooms) this.#outlet?.messages(room, messages);
      } catch (error) {
        failed("telling of a peer's messages", error);
      }
    },
    takeBack: rooms => this.#outlet?.reset(rooms),
  };

  /** What was told of a room before it is committed here. */
  toldEarly(room: string): Message[] {
    return (this.#cluster?.early.of(room) ?? []).map(envelope => toMessage(envelope, this.#parts.registry));
  }

  /** Sorts envelopes by their rooms, of those that somebody here listens to. */
  #sorting() {
    const rooms = new Map<string, Message[]>();
    const heard = new Map<string, boolean>();
    const hears = (room: string) => {
      // A node that catches up on a year has no time to unpack what nobody is there to read.
      if (!heard.has(room)) heard.set(room, room !== FACTS && (this.#outlet?.hears(room) ?? false));
      return heard.get(room) === true;
    };
    const deliver = (envelope: Envelope) => {
      if (!hears(envelope.room)) return;
      const messages = rooms.get(envelope.room);
      const message = toMessage(envelope, this.#parts.registry);
      if (messages) messages.push(message);
      else rooms.set(envelope.room, [message]);
    };
    return { rooms, hears, deliver };
  }

  /** A commit, of own messages or of peers'. */
  committed(commit: Committed): void {
    const { clock } = this.#parts;
    const own = this.holders.currentOrigin();
    const { rooms, hears, deliver } = this.#sorting();
    const erased = new Set<string>();
    for (const segment of commit.segments) {
      clock.observe(segment.hlc);
      this.learn(segment.facts);
      if (segment.rooms.some(hears)) for (const envelope of segment.unpack()) deliver(envelope);
    }
    this.learn(commit.envelopes);
    for (const envelope of commit.envelopes) {
      if (envelope.origin !== own) clock.observe(envelope.hlc);
      if (!this.#cluster?.early.has(envelope)) deliver(envelope);
      // It was erased before it came, which only the log knew.
      else if (envelope.body === null) erased.add(envelope.room);
    }
    try {
      this.#cluster?.committed(commit);
    } catch (error) {
      // People here hear of it all the same.
      this.#parts.failed("telling peers of a commit", error);
    }
    for (const [room, messages] of rooms) this.#outlet?.messages(room, messages);
    if (erased.size > 0) this.#outlet?.reset([...erased]);
  }

  /** Folds the facts among them into people, rooms and nodes that are forgotten. */
  learn(envelopes: readonly Stored[]): void {
    const facts = envelopes.flatMap(envelope => (envelope.role === FACT ? (readFact(envelope) ?? []) : []));
    if (facts.length === 0) return;
    this.#cluster?.forget(this.#parts.forgotten.add(facts));
    for (const fact of facts) if (fact.type === FORK) this.#outlet?.reset(fact.body.rooms);
    const { renamed, ended } = this.#parts.people.add(facts);
    for (const person of renamed) this.#outlet?.renamed(person);
    if (ended.length > 0) this.#outlet?.ended(ended);
    const rooms = this.#parts.rooms.add(facts);
    if (rooms.length > 0) this.#outlet?.rooms(rooms);
  }

  /** The author has written up to that time, on whichever node. */
  authorWasAt(author: string, hlc: number): void {
    this.#drafts.authorWasAt(author, hlc);
  }

  nodesChanged(): void {
    this.#values?.nodesChanged();
    this.#outlet?.nodes();
  }

  /** A value of the cluster's state is another one now. */
  stateChanged(type: string, key: string): void {
    this.#values?.changed(type, key);
  }

  /** Every value of the cluster's state that holds now. */
  state(): readonly StateValue[] {
    return this.#values?.all() ?? [];
  }

  close(): void {
    this.#values?.close();
    this.signals.close();
    this.#outlet = undefined;
  }
}

/** The same id for the same text. */
function idFor(seed: string): string {
  return uuidOf(seed, SEEDED).replace(/(?<=^.{14})./, String(OF_PLUGINS));
}
