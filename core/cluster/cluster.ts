/** The cluster as one node takes part in it: the bus, and on it membership, replication and state. */
import { networkOf } from "../addresses.ts";
import { EMPTY_CHAIN } from "../chain.ts";
import { MAX_DRIFT_MS } from "../clock.ts";
import { type Envelope, frameBytes, MAX_FRAME_BYTES } from "../envelope.ts";
import { asReject, type Reject } from "../errors.ts";
import type { Fork } from "../forks.ts";
import type { Committed, Log } from "../log/log.ts";
import type { NodeFigures } from "../plugin.ts";
import type { Cancel, Time } from "../time.ts";
import type { KnownNode } from "../urls.ts";
import { Arrival } from "./arrival.ts";
import type { Bus, Received } from "./bus.ts";
import { clockAhead } from "./clocks.ts";
import { Forks } from "./forks.ts";
import { decodeFrame, encodeFrame, encodePulled, type Frame, MAX_STATE_ENTRIES, type Payload } from "./frames.ts";
import type { KeyPair } from "./keys.ts";
import { type Address, type Effect, Membership, type NodeInfo, type Peer, type Twin, textOf } from "./membership.ts";
import { duplicate, removed } from "./refusals.ts";
import { Remembered } from "./remembered.ts";
import { type Heads, Replication } from "./replication.ts";
import { Resolver } from "./resolver.ts";
import type { Seed } from "./seeds.ts";
import { type Changed, ClusterState, type StateDelta } from "./state.ts";
import { Turns } from "./turns.ts";
import { Warnings } from "./warnings.ts";

const BEAT_MS = 1_000;
/** Beats from one ping of a peer to the next. */
const PING_EVERY = 10;
/** A heartbeat that is larger is read anew each time: kept ones are for idle meshes, not for hostile peers. */
const MAX_KEPT_BEAT_BYTES = 64 * 1024;
const REPAIR_MS = 100;
const STATE_FLUSH_MS = 20;
const SNAPSHOT_RETRY_MS = 500;
const LOOK_AROUND_MS = 5_000;
/** Who is named may still be starting; who is silent for so long holds up neither readiness nor, before that, writes. */
const READY_AFTER_MS = 5_000;
const WRITE_AFTER_MS = 3_000;
/** The name of the setting that holds the peers that were up once. */
const PEERS = "peers";
/** Envelopes in one published frame at most. */
const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 1024 * 1024;

export type PeerFigures = NodeFigures["peers"][number];
export type Signal = Omit<Payload<"signal">, "id">;

export type ClusterEvents = {
  signal(signal: Signal): void;
  stateChanged: Changed;
  /** A peer has committed this node's own stream up to `seq`. */
  held(peer: string, seq: number): void;
  /** Commits that a branch of a stream is given up. */
  giveUp(fork: Fork): Promise<void>;
  /** This node must not go on, for that reason: whoever runs it has to stop it. */
  refused(reason: Reject): void;
  /** Perhaps other nodes are up than before, or they say other things of themselves. */
  nodesChanged(): void;
};

export type Logger = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

/** What moves frames between nodes; a simulation passes one without sockets. */
export type Transport = Pick<Bus, keyof Bus>;

export type ClusterOptions = {
  self: Omit<NodeInfo, "port" | "pubPort">;
  /** This node's addresses as they are now; those of `self` stay where it is missing. */
  hosts?: (() => string[]) | undefined;
  port: number;
  pubPort: number;
  /** From the cluster's secret; the first serves. None leaves the bus open to private addresses. */
  keys: readonly KeyPair[];
  seeds: readonly Seed[];
  /** All addresses that a seed means, on a bus whose own port is `port`. */
  resolve(seed: Seed, port: number): Promise<Address[]>;
  openBus: (...args: Parameters<typeof Bus.open>) => Promise<Transport>;
  time: Time;
  log: Log;
  heads: Heads;
  /** Whether a node was removed for good. */
  forgotten: { has(node: string): boolean };
  logger: Logger;
  events: ClusterEvents;
};

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #bus: Transport;
  readonly #membership: Membership;
  readonly #remembered: Remembered;
  readonly #replication: Replication;
  readonly #forks: Forks;
  /** The peers that write a stream now, by stream. */
  readonly #writers = new Map<string, string>();
  readonly state: ClusterState;
  readonly self: NodeInfo;
  /** What this node has committed of every stream. */
  readonly #heads: Heads;
  /** The last heartbeat of each peer, as it came: in an idle mesh it comes again byte for byte, and need not be read again. */
  readonly #lastBeats = new Map<string, { bytes: Uint8Array; frame: Frame }>();
  readonly #subscribed = new Map<string, Address>();
  readonly #snapshotAskedAt = new Map<string, number>();
  readonly #arrival: Arrival;
  readonly #resolver: Resolver;
  readonly #timers: Cancel[] = [];
  readonly #warnings: Warnings;
  readonly #turns: Turns;
  #newHeads: Heads = {};
  #beats = 0;
  #flushing: Cancel | undefined;
  #repairing: Cancel | undefined;
  #watching: Cancel | undefined;
  #closed = false;
  #isRefused = false;

  /** Opens the bus and looks for peers. Throws `Reject` where a port is in use. */
  static async open(options: ClusterOptions): Promise<Cluster> {
    let cluster: Cluster | undefined;
    const remembered = await options.log.setting(PEERS);
    const early: Received[] = [];
    const bus = await options.openBus(
      {
        received: frame => (cluster ? cluster.#received(frame) : early.push(frame)),
        unreachable: address => {
          if (cluster) cluster.#arrival.heardFrom(address);
        },
        refused: address => {
          if (cluster) cluster.#strange(address);
        },
        shut: why => {
          if (cluster) cluster.#shut(why);
        },
        estranged: address => {
          if (cluster) cluster.#estranged(textOf(address), address);
        },
      },
      options,
    );
    cluster = new Cluster(options, bus, remembered);
    for (const frame of early) cluster.#received(frame);
    return cluster;
  }

  private constructor(options: ClusterOptions, bus: Transport, remembered: string | undefined) {
    const { self, log, heads, events, logger, time } = options;
    this.#options = options;
    this.#bus = bus;
    this.#warnings = new Warnings((details, message) => logger.warn(details, message), time.elapsed);
    this.#turns = new Turns(time.soon);
    this.self = { ...self, port: bus.port, pubPort: bus.pubPort };
    this.#membership = new Membership(this.self);
    this.#remembered = new Remembered(
      {
        save: text => log.set(PEERS, text),
        failed: why =>
          this.#warnings.say("remembering", "", { why }, "the peers could not be remembered for the next start"),
      },
      remembered,
    );
    this.#heads = { ...heads };
    this.#replication = new Replication(
      {
        log,
        pull: (peer, origin, after) => this.#ask(peer, "pull", { origin, after }),
        differs: (peer, origin, head) => this.#forks.differs(peer, origin, head),
        outgrown: origin => void this.#outgrown(origin).catch(error => this.#unanswered(error)),
        now: time.elapsed,
        missing: () => this.#repairSoon(),
        warn: (what, details) => this.#warnings.say("replication", what, details, what),
      },
      heads,
    );
    this.#forks = new Forks(self.id, {
      log,
      ask: (peer, origin, seqs) => this.#ask(peer, "chainsPlease", { origin, seqs }),
      tell: (peer, origin, head) => this.#ask(peer, "differs", { id: self.id, origin, ...head }),
      length: (origin, peer) => this.#replication.length(origin, peer),
      writer: origin => this.#writers.get(origin),
      searching: () => this.#repairSoon(),
      giveUp: events.giveUp,
      now: time.elapsed,
      warn: (what, details) => logger.warn(details, what),
    });
    this.state = new ClusterState(self.id, self.boot, (type, key) => {
      this.#flushState();
      events.stateChanged(type, key);
    });
    this.#arrival = new Arrival({ isSettled: () => this.#replication.settled });
    this.#resolver = new Resolver(
      {
        resolve: seed => options.resolve(seed, bus.port),
        found: addresses => this.#perform(this.#membership.seek(addresses)),
        unresolved: (host, why) =>
          logger.warn(
            { code: "host-unknown", host, why },
            `ZMQ_HOST names ${host}, which does not resolve; trying again every ${LOOK_AROUND_MS / 1_000} s`,
          ),
      },
      options.seeds,
    );
    log.writeAfter(this.#arrival.mayWrite);
    this.forget([self, ...this.#remembered.all()].map(({ id }) => id).filter(id => options.forgotten.has(id)));
    this.#perform(this.#membership.recall(this.#remembered.all()));
    void this.#resolver.resolve().then(() => this.#arrival.sought());
    this.#timers.push(
      time.every(BEAT_MS, () => this.#beat()),
      time.every(LOOK_AROUND_MS, () => this.#lookAround()),
      time.after(WRITE_AFTER_MS, () => this.#passOverSilent()),
      time.after(READY_AFTER_MS, () => this.#giveUpWaiting()),
    );
    this.#watch();
  }

  get isReady(): boolean {
    return this.#arrival.isReady;
  }

  /** Resolves when this node has compared its log with the peers it found and has what they have, or after 5 s. */
  get ready(): Promise<void> {
    return this.#arrival.ready;
  }

  /** The peers as `status` shows them, also those that have not been up since this start. */
  peers(): PeerFigures[] {
    const met = [...this.#membership.peers.values()].map(({ info: { id, name }, up, rttMs, clockMs }) => {
      return { id, name, up, rttMs, clockMs, behind: up ? this.#replication.behind(id) : 0 };
    });
    const unmet = this.#remembered.all().filter(({ id }) => !this.#membership.peers.has(id));
    const unknown = { up: false, rttMs: null, clockMs: null, behind: 0 };
    return [...met, ...unmet.map(({ id, name }) => ({ id, name, ...unknown }))];
  }

  /** The nodes that are up, this one first. */
  nodes(): KnownNode[] {
    return [this.self, ...this.#membership.up().map(({ info }) => info)].map(({ id, name, hosts, urls = [] }) => ({
      id,
      name,
      urls,
      isHere: this.#membership.isHere({ hosts }),
    }));
  }

  /** The addresses of the other nodes' pages, of those that are away, too, and were when this node started. */
  siblings(): string[] {
    return this.#remembered.all().flatMap(({ urls }) => urls ?? []);
  }

  #remember(peer: Peer): void {
    const { id, name, urls } = peer.info;
    this.#remembered.saw({ id, name, addresses: this.#membership.addressesOf(peer), urls });
  }

  /** Tells the peers where this node's page is. */
  servesAt(urls: string[]): void {
    this.self.urls = urls;
    this.#perform(this.#membership.up().flatMap(({ address }) => (address ? [{ do: "greet", address }] : [])));
    this.#options.events.nodesChanged();
  }

  /** The peers that are up and hold a stream up to `seq`. */
  holders(origin: string, seq: number): number {
    return this.#replication.holders(origin, seq);
  }

  /** A node's name, or its id where the name is not known. */
  nameOf(node: string): string {
    if (node === this.self.id) return this.self.name;
    return this.#membership.peers.get(node)?.info.name ?? this.#remembered.get(node)?.name ?? node;
  }

  /** Whether a peer that is up has more of one of these streams than this node. */
  lags(origins: readonly string[]): boolean {
    return origins.some(origin => this.#replication.lags(origin));
  }

  /** Frames that wait to be sent, and frames that were dropped. */
  get queues(): { queued: number; dropped: number } {
    return { queued: this.#bus.queued, dropped: this.#bus.dropped };
  }

  /** Nodes were removed for good. */
  forget(nodes: readonly string[]): void {
    for (const node of nodes) {
      if (node === this.self.id) this.#refused(removed());
      this.#remembered.forget(node);
      this.#perform(this.#membership.forget(node));
    }
  }

  /** Tells the peers of a commit. */
  committed({ envelopes, segments, heads, cut }: Committed): void {
    const own = envelopes.filter(({ origin }) => origin === this.#options.log.origin);
    let follows: string | undefined = this.#heads[own[0]?.origin ?? ""]?.chain ?? EMPTY_CHAIN;
    for (const [origin, head] of Object.entries(heads))
      if (head.seq > 0) this.#heads[origin] = head;
      else delete this.#heads[origin];
    for (const batch of batches(own)) {
      this.#bus.publish(encodeFrame("batch", { id: this.self.id, envelopes: batch, follows }));
      follows = undefined;
    }
    if (own.length < envelopes.length || segments.length > 0) this.#sayHeads(heads);
    this.#replication.committed(heads, cut);
    this.#arrival.check();
  }

  /** Others' envelopes are stored here too: said once a turn of the loop. */
  #sayHeads(heads: Heads): void {
    if (Object.keys(this.#newHeads).length === 0)
      this.#options.time.soon(() => {
        if (!this.#closed) this.#bus.publish(encodeFrame("heads", { id: this.self.id, heads: this.#newHeads }));
        this.#newHeads = {};
      });
    for (const [origin, head] of Object.entries(heads)) if (head.seq > 0) this.#newHeads[origin] = head;
  }

  publishSignal(signal: Signal): void {
    this.#bus.publish(encodeFrame("signal", { id: this.self.id, ...signal }));
  }

  /** Says goodbye and closes the sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    this.#flushing?.();
    this.#repairing?.();
    this.#watching?.();
    this.#bus.publish(encodeFrame("bye", { id: this.self.id, boot: this.self.boot }));
    await this.#bus.flush(500);
    // A publisher that closes at once drops what its own thread has not written yet.
    await new Promise<void>(resolve => this.#options.time.after(50, resolve));
    this.#bus.close();
    this.#arrival.giveUp();
  }

  #perform(effects: readonly Effect[]): void {
    if (this.#closed) return;
    for (const effect of effects) {
      if (effect.do === "welcome") this.#welcome(effect.peer);
      else if (effect.do === "drop") this.#drop(effect.peer);
      else if (effect.do === "greet") this.#greet(effect.address);
      else if (effect.do === "hangUp") this.#hangUp(effect.address);
      else if (effect.do === "giveWay") this.#refused(duplicate(effect.twin));
      else if (effect.do === "outlast") this.#outlast(effect.twin);
      else {
        this.#arrival.dialed(effect.address, effect.of);
        this.#bus.dial(effect.address);
        this.#greet(effect.address);
      }
    }
  }

  #outlast({ info: { boot, name }, address }: Twin): void {
    this.#warnings.say(
      "twin",
      boot,
      { code: "node-duplicate", peer: name, address: address && textOf(address) },
      "a second node runs on a copy of this data directory; it was started later, and has to end",
    );
  }

  #refused(reason: Reject): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#options.events.refused(reason);
  }

  #strange(address: string | undefined): void {
    const why =
      this.#options.keys.length > 0
        ? "it is no node, or has another CLUSTER_SECRET or none"
        : "it is no node, or has a public address: those are admitted only with a CLUSTER_SECRET";
    this.#warnings.say(
      "stranger",
      networkOf(address ?? ""),
      { code: "stranger", ...(address !== undefined && { address }) },
      `refused a connection to the bus from ${address ?? "an address that the system does not tell"}: ${why}`,
    );
  }

  #shut(why: string | undefined): void {
    if (why === undefined) this.#options.logger.info({}, "the bus admits nodes again");
    else
      this.#warnings.say(
        "shut",
        why,
        { code: "bus-shut", why },
        "the bus admits nobody who is not connected already: what checks them has failed, and is started anew",
      );
  }

  #estranged(where: string, address: Address): void {
    this.#arrival.heardFrom(address);
    this.#warnings.say(
      "estranged",
      where,
      { code: "secret-differs", address: where },
      `what listens at ${where} is no node of this cluster: CLUSTER_SECRET differs, or is set on one side alone`,
    );
  }

  #hangUp(address: Address): void {
    this.#bus.hangUp(address);
    this.#arrival.heardFrom(address);
  }

  #welcome(peer: Peer): void {
    const { info, address } = peer;
    if (!address) return;
    const publications = { host: address.host, port: info.pubPort };
    const before = this.#subscribed.get(info.id);
    if (!before || textOf(before) !== textOf(publications)) {
      if (before) this.#bus.unsubscribe(before);
      this.#bus.subscribe(publications, address);
      this.#subscribed.set(info.id, publications);
    }
    const { id, name } = info;
    this.#remember(peer);
    this.#ask(id, "snapshotPlease", {});
    this.#ping(id);
    // To everybody: it may be new to them, or a second run of a node that they know.
    this.#bus.publish(this.#hello(false));
    this.#options.events.nodesChanged();
    this.#options.logger.info({ peer: name, address: textOf(address) }, "a peer is up");
  }

  #drop({ info, address }: Peer): void {
    const publications = this.#subscribed.get(info.id);
    if (address) this.#bus.redial(address, publications);
    else if (publications) {
      this.#bus.unsubscribe(publications);
      this.#subscribed.delete(info.id);
    }
    this.#replication.lost(info.id);
    this.#forks.lost(info.id);
    for (const [origin, writer] of this.#writers) if (writer === info.id) this.#writers.delete(origin);
    this.state.drop(info.id);
    this.#lastBeats.delete(info.id);
    this.#options.events.nodesChanged();
    this.#options.logger.warn({ peer: info.name }, "a peer is down");
  }

  #greet(address: Address): void {
    this.#bus.greet(address, () => this.#hello(true));
  }

  #hello(asks: boolean): Uint8Array {
    const known = [...this.#membership.peers.values()].filter(({ up }) => up).map(({ info }) => info);
    return encodeFrame("hello", { info: this.self, known, heads: this.#heads, asks, writes: this.#options.log.origin });
  }

  #ask<Kind extends "pull" | "snapshotPlease" | "ping" | "differs" | "chainsPlease">(
    peer: string,
    kind: Kind,
    payload: Payload<Kind>,
  ): void {
    const address = this.#membership.peers.get(peer)?.address;
    if (address) this.#bus.request(address, encodeFrame(kind, payload));
  }

  #passOverSilent(): void {
    if (this.isReady) return;
    const silent = this.#arrival.passOver().filter(id => id !== this.self.id);
    const peers = silent.map(id => this.nameOf(id));
    if (peers.length > 0)
      this.#options.logger.warn(
        { peers },
        `${peers.join(", ")} cannot be reached; going on without what is there: \`web-chat forget\` removes a node for good`,
      );
  }

  #giveUpWaiting(): void {
    if (this.isReady) return;
    this.#options.logger.warn({}, "not every peer has answered yet; serving without what they may have");
    this.#arrival.giveUp();
  }

  #beat(): void {
    this.#perform(this.#membership.greet(this.#options.time.elapsed()));
    const { id, boot } = this.self;
    const { log } = this.#options;
    this.#bus.publish(
      encodeFrame("beat", { id, boot, heads: this.#heads, stateVersion: this.state.version, writes: log.origin }),
    );
    const beat = this.#beats++;
    for (const [index, { info }] of this.#membership.up().entries())
      if ((index + beat) % PING_EVERY === 0) this.#ping(info.id);
  }

  #ping(peer: string): void {
    this.#ask(peer, "ping", { at: this.#options.time.elapsed() });
  }

  /** Wakes when a peer may have become silent, and no more often: an idle mesh is to cost next to nothing. */
  #watch(): void {
    const { time } = this.#options;
    this.#perform(this.#membership.watch(time.elapsed()));
    const waitMs = this.#membership.dueMs(time.elapsed()) - time.elapsed();
    this.#watching = time.after(Math.max(1, Math.ceil(waitMs) + 1), () => this.#watch());
  }

  #repairSoon(): void {
    if (this.#closed) return;
    this.#repairing ??= this.#options.time.after(REPAIR_MS, () => {
      this.#repairing = undefined;
      const [isMissing, isSearching] = [this.#replication.tick(), this.#forks.tick()];
      if (isMissing || isSearching) this.#repairSoon();
    });
  }

  /** Addresses change, those of peers and this node's own. */
  #lookAround(): void {
    this.#perform(this.#membership.moved(this.#options.hosts?.() ?? []));
    void this.#resolver.again(this.peers().some(({ up }) => !up) || this.#membership.isSomebodyMissing);
  }

  #flushState(): void {
    if (this.#closed) return;
    this.#flushing ??= this.#options.time.after(STATE_FLUSH_MS, () => {
      this.#flushing = undefined;
      this.#publishState();
    });
  }

  #publishState(): void {
    const delta = this.state.takeDelta();
    if (delta) this.#bus.publish(this.#stateFrame("state", delta));
  }

  /** State travels in one frame; what has outgrown it the bus drops, and no peer would take. */
  #stateFrame(kind: "state" | "snapshot", delta: StateDelta): Uint8Array {
    const frame = encodeFrame(kind, { id: this.self.id, delta });
    const [values, bytes] = [delta.entries.length, frame.byteLength];
    if (bytes > MAX_FRAME_BYTES || values > MAX_STATE_ENTRIES)
      this.#warnings.say(
        "state",
        "",
        { values, bytes, maxBytes: MAX_FRAME_BYTES },
        "the state of this node is too large for its peers: plugins hold too many or too large values",
      );
    return frame;
  }

  #received(received: Received): void {
    if (this.#closed) return;
    try {
      this.#dispatch(this.#read(received.bytes), received);
    } catch (error) {
      const { code, message } = asReject(error);
      this.#warnings.say("frame", message, { code, why: message }, "a frame was refused");
    }
  }

  #read(bytes: Uint8Array): Frame {
    for (const last of this.#lastBeats.values())
      if (last.bytes.length === bytes.length && Buffer.compare(last.bytes, bytes) === 0) return last.frame;
    const frame = decodeFrame(bytes);
    if (frame.kind === "beat" && bytes.length <= MAX_KEPT_BEAT_BYTES && this.#membership.peers.has(frame.payload.id))
      this.#lastBeats.set(frame.payload.id, { bytes, frame });
    return frame;
  }

  #dispatch({ kind, payload }: Frame, { at, from, answer }: Received): void {
    const now = this.#options.time.elapsed();
    const sender = kind === "hello" ? payload.info.id : "id" in payload ? payload.id : undefined;
    if (sender !== undefined && this.#options.forgotten.has(sender)) return this.#ignore(sender, at, answer);
    switch (kind) {
      case "hello":
        return this.#introduced(payload, now, at, answer);
      case "beat":
        return this.#beaten(payload, now);
      case "bye":
        return this.#perform(this.#membership.left(payload.id, payload.boot));
      case "batch":
        return this.#replication.live(payload.id, payload.envelopes, payload.follows);
      case "heads":
        return this.#heard(payload.id, payload.heads);
      case "pull":
        return this.#serve(payload, from, answer);
      case "pulled":
        return this.#replication.pulled(payload.id, payload.origin, payload.packed, payload.follows);
      case "differs":
        return void this.#forks.told(payload.id, payload.origin, payload).catch(error => this.#unanswered(error));
      case "chainsPlease":
        return this.#tellChains(payload, from, answer);
      case "chains":
        return void this.#forks
          .answered(payload.id, payload.origin, payload.chains)
          .catch(error => this.#unanswered(error));
      case "state":
        if (!this.state.apply(payload.id, payload.delta)) this.#askSnapshot(payload.id, now);
        return;
      case "snapshotPlease":
        return this.#answer(from ?? "", kind, async () => this.#describe(answer));
      case "snapshot":
        if (this.#membership.peers.get(payload.id)?.up) this.state.replace(payload.id, payload.delta);
        return;
      case "signal":
        return this.#options.events.signal(payload);
      case "forgotten":
        if (at && payload.node === this.self.id) this.#refused(removed());
        return;
      case "ping":
        return answer?.(encodeFrame("pong", { id: this.self.id, at: payload.at, wall: this.#wall() }));
      case "pong":
        return this.#measured(payload, now);
    }
  }

  /** A node that was removed for good is told so, and nothing that it says is taken. */
  #ignore(node: string, at: Address | undefined, answer: Received["answer"]): void {
    answer?.(encodeFrame("forgotten", { node }));
    if (at) this.#arrival.heardFrom(at);
    this.#warnings.say(
      "forgotten",
      node,
      { node, address: at && textOf(at) },
      "a node that was removed from the cluster still runs; nothing is taken from it: stop it",
    );
  }

  #introduced(hello: Payload<"hello">, now: number, at: Address | undefined, answer: Received["answer"]): void {
    if (hello.asks) answer?.(this.#hello(false));
    const known = hello.known.filter(({ id }) => !this.#options.forgotten.has(id));
    this.#perform(this.#membership.introduced(hello.info, now, at));
    this.#perform(this.#membership.heardOf(known, now));
    const peer = this.#membership.peers.get(hello.info.id);
    if (peer?.up) this.#remember(peer);
    this.#options.events.nodesChanged();
    this.#heard(hello.info.id, hello.heads, { comparing: true, all: true, writes: hello.writes });
    if (at) this.#arrival.heardFrom(at, hello.info.id);
    this.#arrival.check();
  }

  #beaten({ id, boot, heads, stateVersion, writes }: Payload<"beat">, now: number): void {
    this.#perform(this.#membership.beat(id, boot, now));
    const peer = this.#membership.peers.get(id);
    if (!peer?.up || peer.info.boot !== boot) return;
    this.#heard(id, heads, { all: true, writes });
    if (!this.state.isCurrent(id, boot, stateVersion)) this.#askSnapshot(id, now);
  }

  #measured({ id, at, wall }: Payload<"pong">, now: number): void {
    const rttMs = Math.max(0, now - at);
    const clockMs = wall === undefined ? null : clockAhead(wall, this.#wall(), rttMs);
    this.#membership.measured(id, rttMs, clockMs);
    if (clockMs === null || Math.abs(clockMs) <= MAX_DRIFT_MS) return;
    this.#warnings.say(
      "clock",
      id,
      { peer: this.nameOf(id), clockMs },
      `the clock of a peer and this node's are more than ${MAX_DRIFT_MS / 1_000} s apart: set the one that is wrong`,
    );
  }

  /** Milliseconds since 1970, as frames take them. */
  #wall(): number {
    return Math.max(0, Math.round(this.#options.time.wall()));
  }

  #heard(
    peer: string,
    heads: Heads,
    { comparing = false, all = false, writes = undefined as string | undefined } = {},
  ): void {
    if (!this.#membership.peers.get(peer)?.up) return;
    if (writes !== undefined) this.#writers.set(writes, peer);
    this.#replication.heard(peer, heads, { comparing, all });
    const own = this.#options.log.origin;
    const held = own === undefined ? undefined : heads[own];
    // A peer that has more of it than was ever written here has it of another branch.
    if (held && held.seq <= (this.#heads[own as string]?.seq ?? 0)) this.#options.events.held(peer, held.seq);
  }

  #askSnapshot(peer: string, now: number): void {
    if (!this.#membership.peers.get(peer)?.up) return;
    if (now - (this.#snapshotAskedAt.get(peer) ?? Number.NEGATIVE_INFINITY) < SNAPSHOT_RETRY_MS) return;
    this.#snapshotAskedAt.set(peer, now);
    this.#ask(peer, "snapshotPlease", {});
  }

  #serve({ origin, after }: Payload<"pull">, from = "", answer: Received["answer"]): void {
    this.#answer(from, `pull ${origin} ${after}`, async () => {
      const { follows, packed } = await this.#replication.answer(origin, after);
      if (!this.#closed) answer?.(encodePulled({ id: this.self.id, origin, follows }, packed));
    });
  }

  #tellChains({ origin, seqs }: Payload<"chainsPlease">, from = "", answer: Received["answer"]): void {
    this.#answer(from, `chains ${origin} ${seqs}`, async () => {
      const chains = await this.#options.log.chains(origin, seqs);
      if (!this.#closed) answer?.(encodeFrame("chains", { id: this.self.id, origin, chains }));
    });
  }

  #answer(from: string, what: string, run: () => Promise<void>): void {
    this.#turns.take(from, what, () => run().catch(error => this.#unanswered(error)));
  }

  #describe(answer: Received["answer"]): void {
    if (this.#closed) return;
    this.#publishState();
    answer?.(this.#stateFrame("snapshot", this.state.snapshot()));
  }

  #unanswered(error: unknown): void {
    this.#warnings.say("unanswered", "", { why: (error as Error).message }, "a peer's request could not be answered");
  }

  /**
   * Peers have more of what only this node writes: its database is older than what it once published. It writes no more to
   * that stream, and gets the rest as it would another node's.
   */
  async #outgrown(origin: string): Promise<void> {
    const { log, logger } = this.#options;
    if (log.origin !== origin) return;
    await log.abandon(origin);
    logger.warn(
      { origin },
      "this node's database was restored: it goes on in a new stream, and gets back what it lacks",
    );
  }
}

function* batches(envelopes: readonly Envelope[]): Generator<Envelope[]> {
  let batch: Envelope[] = [];
  let bytes = 0;
  for (const envelope of envelopes) {
    batch.push(envelope);
    bytes += frameBytes(envelope);
    if (batch.length < MAX_BATCH && bytes < MAX_BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
