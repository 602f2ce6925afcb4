/** The one path of a message: browser or peer -> plugin -> log, state or signal -> browsers and peers. */
import { validate as isUuid, v7 as uuid, v5 as uuidOf } from "uuid";
import type { BlobFiles } from "./blobs/files.ts";
import { type Clock, millisecondsOf } from "./clock.ts";
import type { Cluster, Signal } from "./cluster/cluster.ts";
import type { AckMode } from "./config.ts";
import { Confirmations } from "./confirmations.ts";
import { Copies, type News } from "./copies.ts";
import { type Draft, type Envelope, FACT, FACTS, keyOf } from "./envelope.ts";
import { asReject, Reject } from "./errors.ts";
import { readFact } from "./facts.ts";
import type { Forgotten } from "./forgotten.ts";
import { FORK } from "./forks.ts";
import type { Committed, Log, Stored } from "./log/log.ts";
import { toMessage } from "./messages.ts";
import type { People } from "./people.ts";
import type { Message, NodeFigures, Person, Receiving, ServerContext, Session, StoredBlob } from "./plugin.ts";
import type { Hook } from "./plugins/calls.ts";
import { readDelivery, type Target } from "./plugins/delivery.ts";
import type { Answer } from "./plugins/hooks.ts";
import type { Registry, Type } from "./registry.ts";
import type { Room, Rooms } from "./rooms.ts";
import type { Time } from "./time.ts";
import { type StateValue, Values } from "./values.ts";
import type { Route } from "./webhooks.ts";

export type SignalMessage = { type: string; room: string; author: Person; at: number; body: unknown };
export type SignalTarget = Target;

/** Where the router hands over what browsers shall see. */
export type Outlet = {
  /** Whether anybody here would be told of a room's messages. */
  hears(room: string): boolean;
  /** Committed messages of a room, in commit order. */
  messages(room: string, messages: Message[]): void;
  signal(to: SignalTarget, signal: SignalMessage, except?: string): void;
  state(values: StateValue[]): void;
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

type Place = Pick<Envelope, "origin" | "seq" | "n" | "hlc">;
/** An envelope, as far as it has to be known for saying who holds all of it. */
type Held = Pick<Stored, "origin" | "seq" | "blobs">;

export class Router {
  readonly #parts: RouterParts;
  readonly #context: ServerContext;
  #copies: Copies;
  readonly #confirmations: Confirmations;
  /** The stream that the copies are counted of. */
  #origin: string | undefined;
  /** Streams that this node wrote before that one. */
  readonly #former = new Set<string>();
  /** Last hlc of authors that are ahead of this node's clock: they wrote on a node whose clock is. */
  readonly #ahead = new Map<string, number>();
  #values: Values | undefined;
  #cluster: Cluster | undefined;
  #outlet: Outlet | undefined;

  constructor(parts: RouterParts) {
    this.#parts = parts;
    this.#origin = parts.log.origin;
    this.#copies = this.#noCopies();
    this.#confirmations = new Confirmations(parts.time);
    this.#context = {
      now: () => parts.clock.now(),
      find: (id, author) => this.#forPlugin("find", this.find(id, author)),
      blob: hash => this.#forPlugin("blob", this.blob(hash, "")),
      idFor: seed => uuidOf(seed, SEEDED),
      node: parts.figures,
    };
  }

  /** Connects both ends; before this nothing is delivered. */
  connect(cluster: Cluster, outlet: Outlet): void {
    const { registry, time, failed } = this.#parts;
    this.#cluster = cluster;
    this.#outlet = outlet;
    this.#values = new Values({
      registry,
      cluster,
      time,
      tell: values => this.#outlet?.state(values),
      failed,
    });
  }

  /** What fails of this node is not a plugin's fault. */
  #forPlugin<Result>(what: string, found: Promise<Result>): Promise<Result> {
    return found.catch(error => {
      if (!(error instanceof Reject)) this.#parts.failed(what, error);
      throw asReject(error);
    });
  }

  /** A message of the log that this node holds. */
  async find(id: string, author?: string): Promise<Message | undefined> {
    const stored = await this.#parts.log.find(id, author);
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
    const { id, ref } = input;
    if (id !== undefined && !(typeof id === "string" && isUuid(id)))
      throw new Reject("invalid", "the id is not a UUID");
    if (ref !== undefined && !(typeof ref === "string" && isUuid(ref)))
      throw new Reject("invalid", "the ref is not an id");
    if (ref === undefined && type.kind === "log" && type.role !== "row")
      throw new Reject("invalid", "the ref is missing: the message refers to another one");
    // A state belongs to no room.
    const room = type.kind === "state" ? "" : this.#parts.rooms.assertReadable(from.person, input.room).id;
    let fetching = 0;
    const blob = (hash: string) => {
      fetching++;
      return this.#forPlugin("blob", this.blob(hash, from.person.id)).finally(() => fetching--);
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
      this.#signalling(type, from.person, body, { room: to.room }, from.id)();
      return { ok: true };
    }
    return this.#keep(this.#draft(type, from.person, body, to));
  }

  #draft(type: Type, author: Person, body: unknown, to: { id: string; room: string; ref: string | null }): Draft {
    // First, as it looks at what the plugin made.
    const packed = type.pack(body);
    return {
      ...to,
      hlc: this.#stamp(author.id),
      type: type.name,
      version: type.version,
      role: type.role,
      author: author.id,
      authorName: author.name,
      alt: type.summary(body),
      body: packed,
      blobs: this.#blobsOf(type, body),
      extra: null,
    };
  }

  /** What a body refers to; throws `Reject` where this node does not hold all of it. */
  #blobsOf(type: Type, body: unknown): string[] {
    const hashes = type.blobs(body);
    for (const hash of hashes)
      if (!this.#parts.blobs.touch(hash)) throw new Reject("not-found", `this node does not hold the blob ${hash}`);
    return hashes;
  }

  /** Later than everything of this node, and than everything of this author elsewhere. */
  #stamp(author: string): number {
    const tick = this.#parts.clock.tick();
    const ahead = this.#ahead.get(author);
    if (ahead === undefined) return tick;
    if (ahead >= tick) {
      this.#ahead.set(author, ahead + 1);
      return ahead + 1;
    }
    this.#ahead.delete(author);
    return tick;
  }

  /** The author has written up to that time, on whichever node. */
  authorWasAt(author: string, hlc: number): void {
    const believed = this.#parts.clock.believable(hlc);
    if (believed > this.#parts.clock.last) this.#ahead.set(author, Math.max(believed, this.#ahead.get(author) ?? 0));
  }

  /**
   * Commits what a client sent, and acks it. Names, rooms and logouts never wait for a peer as this may: nobody could sign
   * in on a node that is alone, and two halves of a partition that gave one name away settle that when they meet.
   */
  async #keep(draft: Draft): Promise<Ack> {
    const waits = this.#parts.ack === "peer";
    if (waits && this.#confirmations.isFull)
      throw new Reject("overloaded", "no other node keeps up", { retryAfterMs: ASK_AGAIN_MS });
    const place = await this.#append(draft);
    const isOwn = place.origin === this.#currentOrigin();
    if (isOwn) this.#copies.sent(place.seq, draft.author, draft.id, draft.blobs);
    const held = { ...place, blobs: draft.blobs };
    if (waits && !(await this.#isConfirmed(held)))
      throw new Reject("unconfirmed", undefined, { retryAfterMs: ASK_AGAIN_MS });
    const copies = this.copiesOf(held);
    return { ok: true, id: draft.id, at: millisecondsOf(place.hlc), key: keyOf(place), copies };
  }

  /** Resolves with whether, in time, one other node has committed an envelope and holds its blobs. */
  async #isConfirmed(held: Held): Promise<boolean> {
    const isSafe = () => this.copiesOf(held) >= 2;
    if (isSafe()) return true;
    if (held.blobs.length === 0) return held.origin === this.#currentOrigin() && this.#confirmations.wait(held.seq);
    // What peers said of them may have been lost, or said to the run before this one.
    this.#cluster?.askForBlobs(held.blobs);
    return this.#confirmations.waitUntil(isSafe);
  }

  async #append(draft: Draft): Promise<Place> {
    return (await this.#appendAll([draft]))[0] as Place;
  }

  /** Where they were put, in one commit; of those whose author wrote that id before, the first one's place. */
  async #appendAll(drafts: readonly Draft[]): Promise<Place[]> {
    const outcomes = await this.#parts.log.append(drafts);
    return drafts.map(({ author }, index) => {
      const outcome = outcomes[index];
      if (outcome?.status === "stored") return outcome.envelope;
      if (outcome?.status === "known") {
        this.authorWasAt(author, outcome.place.hlc);
        return outcome.place;
      }
      if (outcome?.status === "refused") throw new Reject(outcome.code, outcome.message);
      throw new Reject("internal");
    });
  }

  /**
   * How many nodes are known to hold an envelope and its blobs: of another node's stream that node and this one, at least. Which
   * blobs peers hold is not known any more after a start, until they are asked.
   */
  copiesOf({ origin, seq, blobs }: Held): number {
    if (origin === this.#currentOrigin()) return this.#copies.of(seq, blobs);
    const place = { origin, seq };
    if (this.#former.has(origin))
      return 1 + (this.#cluster?.holders(origin, seq) ?? []).filter(peer => this.#holds(peer, blobs, place)).length;
    // That node took it only with its blobs; here they may be on their way.
    return blobs.every(hash => this.#parts.blobs.has(hash)) ? 2 : 1;
  }

  #noCopies(): Copies {
    const origin = this.#origin ?? "";
    return new Copies((peer, blobs, seq) => this.#holds(peer, blobs, { origin, seq }));
  }

  #holds(peer: string, blobs: readonly string[], place: { origin: string; seq: number }): boolean {
    return blobs.length === 0 || this.#cluster?.holdsBlobs(peer, blobs, place) === true;
  }

  /** People see these messages of theirs: where no peer is known to hold the blobs all are asked, and the author hears of it. */
  shown(own: readonly Stored[]): void {
    const origin = this.#currentOrigin();
    const unsure = own.filter(
      stored => stored.blobs.length > 0 && stored.origin === origin && this.copiesOf(stored) < 2,
    );
    for (const { seq, author, id, blobs } of unsure) this.#copies.sent(seq, author, id, blobs);
    this.#cluster?.askForBlobs([...new Set(unsure.flatMap(({ blobs }) => blobs))]);
  }

  /** The stream that this node writes; where it is another one than before, all that was counted begins anew. */
  #currentOrigin(): string | undefined {
    const { origin } = this.#parts.log;
    if (origin === this.#origin) return origin;
    if (this.#origin !== undefined) this.#former.add(this.#origin);
    this.#origin = origin;
    this.#copies = this.#noCopies();
    this.#confirmations.giveUp();
    return origin;
  }

  /** A commit, of own messages or of peers'. */
  committed(commit: Committed): void {
    const { clock, registry } = this.#parts;
    const own = this.#currentOrigin();
    const rooms = new Map<string, Message[]>();
    const heard = new Map<string, boolean>();
    const hears = (room: string) => {
      // A node that catches up on a year has no time to unpack what nobody is there to read.
      if (!heard.has(room)) heard.set(room, room !== FACTS && (this.#outlet?.hears(room) ?? false));
      return heard.get(room) === true;
    };
    const deliver = (envelope: Stored) => {
      if (!hears(envelope.room)) return;
      const messages = rooms.get(envelope.room);
      const message = toMessage(envelope, registry);
      if (messages) messages.push(message);
      else rooms.set(envelope.room, [message]);
    };
    for (const segment of commit.segments) {
      clock.observe(segment.hlc);
      this.learn(segment.facts);
      if (segment.rooms.some(hears)) for (const envelope of segment.unpack()) deliver(envelope);
    }
    this.learn(commit.envelopes);
    for (const envelope of commit.envelopes) {
      if (envelope.origin !== own) clock.observe(envelope.hlc);
      deliver(envelope);
    }
    try {
      this.#cluster?.committed(commit);
    } catch (error) {
      // People here hear of it all the same.
      this.#parts.failed("telling peers of a commit", error);
    }
    for (const [room, messages] of rooms) this.#outlet?.messages(room, messages);
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

  /** A peer has committed this node's own stream up to `seq`. */
  held(peer: string, seq: number): void {
    this.#currentOrigin();
    this.#tell(this.#copies.held(peer, seq));
    this.#confirmations.held(seq);
    this.#confirmations.changed();
  }

  /** A peer said that it holds these blobs. */
  blobsHeld(hashes: readonly string[]): void {
    this.#tell(this.#copies.blobsHeld(hashes));
    this.#confirmations.changed();
  }

  #tell(news: News): void {
    for (const [author, messages] of news) this.#outlet?.stored(author, messages);
  }

  /** Acks wait for no other node any more: this one is about to end. */
  stopWaiting(): void {
    this.#confirmations.end();
  }

  /** A session connected to this node. */
  joined(session: Session): void {
    for (const type of this.#parts.registry.all())
      this.#deliver(type, "joined", () => type.hooks.joined?.(session, this.#context));
  }

  left(session: Session): void {
    for (const type of this.#parts.registry.all())
      this.#deliver(type, "left", () => type.hooks.left?.(session, this.#context));
  }

  tick(): void {
    for (const type of this.#parts.registry.all()) this.#deliver(type, "tick", () => type.hooks.tick?.(this.#context));
  }

  /**
   * What answers for a type over HTTP, when all that the plugin sends is committed: nothing of that is sent, or all. It
   * rejects with `Reject`. Undefined where the type has no such hook.
   */
  route(name: string): Route | undefined {
    const type = this.#parts.registry.get(name);
    const request = type?.hooks.request;
    if (!type || !request) return undefined;
    return async (asked, withinMs) => this.#sendBefore(type, await request(asked, this.#context, withinMs));
  }

  async #sendBefore(type: Type, answer: Answer): Promise<Answer> {
    const prepared = answer.send.map(delivery => {
      try {
        return this.#prepare(type, delivery);
      } catch (error) {
        throw type.fault("request", error);
      }
    });
    const drafts = prepared.flatMap(({ draft }) => draft ?? []);
    if (drafts.length > 0) await this.#appendAll(drafts);
    for (const { send } of prepared) send?.();
    return answer;
  }

  /** Each for itself: what is wrong with one delivery costs no other. */
  #deliver(type: Type, hook: Hook, call: () => readonly unknown[] | undefined): void {
    try {
      for (const delivery of call() ?? []) this.#deliverOne(type, hook, delivery);
    } catch (error) {
      // A refusal as well: nobody asked for anything that could be refused.
      type.fault(hook, error);
    }
  }

  #deliverOne(type: Type, hook: Hook, delivery: unknown): void {
    try {
      const { draft, send } = this.#prepare(type, delivery);
      send?.();
      if (draft) this.#append(draft).catch(error => this.#parts.failed(type.name, error));
    } catch (error) {
      type.fault(hook, error);
    }
  }

  /** What a delivery comes to: an envelope to be kept, or something that is sent. Throws where it comes to nothing. */
  #prepare(type: Type, delivery: unknown): { draft?: Draft; send?: () => void } {
    const { body, to, key, id = uuid(), ref } = readDelivery(delivery);
    if (key !== undefined) {
      if (type.kind !== "state") throw new Error("it ends a value, and is no state");
      return { send: () => this.#values?.end(type, key) };
    }
    if (type.kind === "state") {
      const set = this.#values?.prepare(type, body);
      return set ? { send: set } : {};
    }
    if (to === undefined) throw new Error("it does not say to whom it goes");
    if (typeof to === "object" && "room" in to && !this.#parts.rooms.get(to.room))
      throw new Error(`there is no room ${JSON.stringify(to.room)}`);
    if (type.kind === "signal") return { send: this.#signalling(type, itself(type), body, to) };
    if (typeof to !== "object" || !("room" in to))
      throw new Error("a log message is delivered to a room, and to nothing else");
    if (ref === undefined && type.role !== "row")
      throw new Error("it has no ref, and its type refers to another message");
    return { draft: this.#draft(type, itself(type), body, { id, room: to.room, ref: ref ?? null }) };
  }

  /** What sends a signal. Throws `Reject` where the plugin cannot pack it. */
  #signalling(type: Type, author: Person, body: unknown, to: SignalTarget, except?: string): () => void {
    const at = this.#parts.clock.now();
    const room = typeof to === "object" && "room" in to ? to.room : "";
    const { name, version } = type;
    const packed = type.pack(body);
    return () => {
      this.#outlet?.signal(to, { type: name, room, author, at, body }, except);
      if (typeof to === "object" && "session" in to) return;
      this.#cluster?.publishSignal({
        type: name,
        version,
        room,
        author: author.id,
        authorName: author.name,
        at,
        body: packed,
      });
    };
  }

  /** A peer's signal. */
  signalled({ type: name, version, room, author, authorName, at, body }: Signal): void {
    const type = this.#parts.registry.get(name);
    if (type?.kind !== "signal") return;
    const signal = { type: name, room, author: { id: author, name: authorName }, at, body: type.unpack(body, version) };
    this.#outlet?.signal(room === "" ? "all" : { room }, signal);
  }

  nodesChanged(): void {
    this.#outlet?.nodes();
  }

  /** A value of the cluster's state is another one now. */
  stateChanged(type: string, key: string): void {
    this.#values?.changed(type, key);
  }

  /** Every value of the cluster's state that holds now. */
  state(): StateValue[] {
    return this.#values?.all() ?? [];
  }

  close(): void {
    this.#values?.close();
    this.#outlet = undefined;
  }
}

/** The author of what a plugin sends of its own accord. */
function itself(type: Type): Person {
  return { id: `plugin:${type.name}`, name: type.name };
}
