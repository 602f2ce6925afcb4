/** The cluster as one node takes part in it: the bus, and on it membership, replication and state. */
import type { Reject } from "../errors.ts";
import type { Fork } from "../forks.ts";
import type { Committed, Log } from "../log/log.ts";
import type { Cancel, Time } from "../time.ts";
import type { KnownNode } from "../urls.ts";
import type { Address } from "./address.ts";
import { Arrival } from "./arrival.ts";
import { Blobs, type BlobsPorts } from "./blobs.ts";
import type { Bus, Received } from "./bus.ts";
import type { Early, EarlyPorts } from "./early.ts";
import { Exchange } from "./exchange.ts";
import { encodeFrame, type Frame, type Payload } from "./frames.ts";
import type { KeyPair } from "./keys.ts";
import { Links } from "./links.ts";
import { type Effect, Membership, type NodeInfo, type Peer } from "./membership.ts";
import { Nodes, type PeerFigures } from "./nodes.ts";
import { type Logger, Notices } from "./notices.ts";
import { Pulse } from "./pulse.ts";
import type { Queues } from "./queues.ts";
import { duplicate, removed } from "./refusals.ts";
import { Remembered } from "./remembered.ts";
import type { Heads } from "./replication.ts";
import { Resolver } from "./resolver.ts";
import type { Seed } from "./seeds.ts";
import { Service } from "./service.ts";
import type { Changed, ClusterState } from "./state.ts";
import { Streams } from "./streams.ts";

const LOOK_AROUND_MS = 5_000;
/** Who is named may still be starting; who is silent for so long holds up neither readiness nor, before that, writes. */
const READY_AFTER_MS = 5_000;
const WRITE_AFTER_MS = 3_000;
/** The name of the setting that holds the peers that were up once. */
const PEERS = "peers";

export type Signal = Omit<Payload<"signal">, "id">;

export type ClusterEvents = {
  signal(signal: Signal): void;
  stateChanged: Changed;
  /** A peer has committed this node's own stream up to `seq`. */
  held(peer: string, seq: number): void;
  /** A peer said that it holds these blobs. */
  blobsHeld(hashes: readonly string[]): void;
  /** Commits that a branch of a stream is given up. */
  giveUp(fork: Fork): Promise<void>;
  /** What peers wrote may be told before it is committed here. */
  early: EarlyPorts;
  /** This node must not go on, for that reason: whoever runs it has to stop it. */
  refused(reason: Reject): void;
  /** Perhaps other nodes are up than before, or they say other things of themselves. */
  nodesChanged(): void;
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
  /** The blobs that are here. */
  files: BlobsPorts["files"];
  heads: Heads;
  /** Whether a node was removed for good. */
  forgotten: { has(node: string): boolean };
  logger: Logger;
  events: ClusterEvents;
};

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #bus: Transport;
  readonly #notices: Notices;
  readonly #membership: Membership;
  readonly #remembered: Remembered;
  readonly #nodes: Nodes;
  readonly #links: Links;
  readonly #streams: Streams;
  readonly #blobs: Blobs;
  readonly #exchange: Exchange;
  readonly #service: Service;
  readonly #pulse: Pulse;
  readonly #arrival: Arrival;
  readonly #resolver: Resolver;
  readonly #timers: Cancel[];
  readonly self: NodeInfo;
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
          if (cluster) cluster.#notices.stranger(address, options.keys.length > 0);
        },
        shut: why => {
          if (cluster) cluster.#notices.shut(why);
        },
        estranged: address => {
          if (cluster) cluster.#estranged(address);
        },
      },
      options,
    );
    cluster = new Cluster(options, bus, remembered);
    for (const frame of early) cluster.#received(frame);
    return cluster;
  }

  private constructor(options: ClusterOptions, bus: Transport, remembered: string | undefined) {
    const { self, log, events, logger, time } = options;
    this.#options = options;
    this.#bus = bus;
    this.#notices = new Notices(logger, time.elapsed);
    this.self = { ...self, port: bus.port, pubPort: bus.pubPort, blobs: true };
    const membership = new Membership(this.self);
    this.#membership = membership;
    this.#remembered = new Remembered(
      { save: text => log.set(PEERS, text), failed: why => this.#notices.unremembered(why) },
      remembered,
    );
    this.#nodes = new Nodes(this.self, membership, this.#remembered);
    this.#links = new Links(this.self, { bus, membership, progress: () => this.#progress() });
    const publish = (frame: Uint8Array) => bus.publish(frame);
    const ports = { log, time, notices: this.#notices, nodes: this.#nodes, links: this.#links, publish };
    this.#streams = new Streams(
      self.id,
      { ...ports, held: events.held, giveUp: events.giveUp, early: events.early },
      options.heads,
    );
    const { replication } = this.#streams;
    this.#exchange = new Exchange(self, { ...ports, changed: events.stateChanged });
    const heads = () => this.#streams.heads;
    this.#blobs = new Blobs(self.id, { ...ports, files: options.files, heads, held: events.blobsHeld });
    const snapshot = () => this.#exchange.snapshot();
    this.#service = new Service(self.id, { ...ports, replication, blobs: this.#blobs, snapshot });
    this.#pulse = new Pulse(self.id, { ...ports, membership, perform: effects => this.#perform(effects) });
    this.#arrival = new Arrival({ isSettled: () => replication.settled });
    this.#resolver = new Resolver(
      {
        resolve: seed => options.resolve(seed, bus.port),
        found: addresses => this.#perform(membership.seek(addresses)),
        unresolved: (host, why) => this.#notices.unresolved(host, why, LOOK_AROUND_MS),
      },
      options.seeds,
    );
    log.writeAfter(this.#arrival.mayWrite);
    this.forget([self, ...this.#remembered.all()].map(({ id }) => id).filter(id => options.forgotten.has(id)));
    this.#perform(membership.recall(this.#remembered.all()));
    void this.#resolver.resolve().then(() => this.#arrival.sought());
    this.#timers = [
      time.every(LOOK_AROUND_MS, () => this.#lookAround()),
      time.after(WRITE_AFTER_MS, () => this.#passOverSilent()),
      time.after(READY_AFTER_MS, () => this.#giveUpWaiting()),
    ];
  }

  /** What peers wrote that was told here before its commit. */
  get early(): Pick<Early, "has" | "of" | "find"> {
    return this.#streams.early;
  }

  get state(): ClusterState {
    return this.#exchange.state;
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
    return this.#nodes.peers(id => this.#streams.replication.behind(id));
  }

  /** The nodes that are up, this one first. */
  nodes(): KnownNode[] {
    return this.#nodes.up();
  }

  /** The addresses of the other nodes' pages, of those that are away, too, and were when this node started. */
  siblings(): string[] {
    return this.#nodes.siblings();
  }

  /** Tells the peers where this node's page is. */
  servesAt(urls: string[]): void {
    this.self.urls = urls;
    this.#perform(this.#membership.changed());
    this.#options.events.nodesChanged();
  }

  /** The peers that are up and hold a stream up to `seq`. */
  holders(origin: string, seq: number): string[] {
    return this.#streams.replication.holders(origin, seq);
  }

  /** Whether a peer said that it holds these blobs when it had committed that place of a stream of this node. */
  holdsBlobs(peer: string, hashes: readonly string[], place: { origin: string; seq: number }): boolean {
    return this.#blobs.holds(peer, hashes, place);
  }

  /** Asks the peers which of these blobs they hold. */
  askForBlobs(hashes: readonly string[]): void {
    this.#blobs.ask(hashes);
  }

  /**
   * Resolves with true when a blob is on this node, and whole, fetched before all others if need be; with false where no peer
   * sends it. `whom` is the person who waits for it. Rejects with `Reject` where this node's disk fails, or where too much is
   * waited for.
   */
  fetchBlob(hash: string, whom: string): Promise<boolean> {
    return this.#blobs.fetch(hash, whom);
  }

  /** What is on this node's disk of a blob is found not to be it. */
  damagedBlob(hash: string): void {
    this.#blobs.damaged(hash);
  }

  /** A blob was removed from this node's disk. */
  removedBlob(hash: string): void {
    this.#blobs.removed(hash);
  }

  /** This node's disk does not tell of some blobs. */
  unreadableBlobs(error: NodeJS.ErrnoException): void {
    this.#notices.unreadable(error);
  }

  /** Blobs that are known to be missing here. */
  get missingBlobs(): number {
    return this.#blobs.missing;
  }

  /** A node's name, or its id where the name is not known. */
  nameOf(node: string): string {
    return this.#nodes.nameOf(node);
  }

  /** Whether more of one of these streams is on its way here, as it may be until this node has heard its peers. */
  lags(origins: readonly string[]): boolean {
    return !this.isReady || origins.some(origin => this.#streams.replication.lags(origin));
  }

  /** What waits between this node and its peers, and what was dropped because too much did. */
  get queues(): Queues {
    const { queued, queuedBytes, dropped } = this.#bus;
    return { queued, queuedBytes, dropped, asked: this.#service.waiting, ...this.#streams.queues };
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
  committed(commit: Committed): void {
    this.#streams.committed(commit);
    this.#pulse.committed();
    this.#blobs.committed(commit);
    this.#arrival.check();
  }

  publishSignal(signal: Signal): void {
    if (this.#nodes.peersUp > 0) this.#bus.publish(encodeFrame("signal", { id: this.self.id, ...signal }));
  }

  /** Says goodbye and closes the sockets. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#timers) cancel();
    for (const part of [this.#pulse, this.#exchange, this.#streams, this.#blobs, this.#service]) part.close();
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
      else if (effect.do === "greet") this.#links.greet(effect.address);
      else if (effect.do === "hangUp") this.#hangUp(effect.address);
      else if (effect.do === "giveWay") this.#refused(duplicate(effect.twin));
      else if (effect.do === "outlast") this.#notices.twin(effect.twin);
      else {
        this.#arrival.dialed(effect.address, effect.of);
        this.#bus.dial(effect.address);
        this.#links.greet(effect.address);
      }
    }
  }

  #refused(reason: Reject): void {
    if (this.#isRefused) return;
    this.#isRefused = true;
    this.#options.events.refused(reason);
  }

  #estranged(address: Address): void {
    this.#arrival.heardFrom(address);
    this.#notices.estranged(address);
  }

  #hangUp(address: Address): void {
    this.#bus.hangUp(address);
    this.#arrival.heardFrom(address);
  }

  #welcome(peer: Peer): void {
    const { info, address } = peer;
    if (!address) return;
    this.#links.welcome(info, address);
    this.#nodes.remember(peer);
    this.#links.ask(info.id, "snapshotPlease", {});
    this.#pulse.ping(info.id);
    this.#blobs.up(info.id, info.boot);
    // To everybody: it may be new to them, or a second run of a node that they know.
    this.#bus.publish(this.#links.hello(false));
    this.#options.events.nodesChanged();
    this.#notices.up(peer, address);
  }

  #drop(peer: Peer): void {
    const { id } = peer.info;
    this.#links.lost(peer);
    this.#streams.lost(id);
    this.#blobs.lost(id);
    this.state.drop(id);
    this.#pulse.lost(id);
    this.#options.events.nodesChanged();
    this.#notices.down(peer);
  }

  /** How far this node has the log and its state, and the stream that it writes. */
  #progress() {
    return { heads: this.#streams.heads, stateVersion: this.state.version, writes: this.#options.log.origin };
  }

  #passOverSilent(): void {
    if (this.isReady) return;
    const silent = this.#arrival.passOver().filter(id => id !== this.self.id);
    if (silent.length > 0) this.#notices.passedOver(silent.map(id => this.nameOf(id)));
  }

  #giveUpWaiting(): void {
    if (this.isReady) return;
    this.#notices.servesEarly();
    this.#arrival.giveUp();
  }

  /** Addresses change, those of peers and this node's own. */
  #lookAround(): void {
    this.#perform(this.#membership.moved(this.#hosts()));
    void this.#resolver.again(this.peers().some(({ up }) => !up) || this.#membership.isSomebodyMissing);
  }

  /** This node's addresses; none where they stay as they were. */
  #hosts(): string[] {
    try {
      return this.#options.hosts?.() ?? [];
    } catch (error) {
      // To ask the system takes a descriptor, of which none may be left.
      this.#notices.hostsUntold(error);
      return [];
    }
  }

  #received(received: Received): void {
    if (this.#closed) return;
    try {
      this.#dispatch(this.#pulse.read(received.bytes), received);
    } catch (error) {
      this.#notices.frameRefused(error);
    }
  }

  #dispatch(frame: Frame, received: Received): void {
    const { kind, payload } = frame;
    const { at, answer } = received;
    const sender = kind === "hello" ? payload.info.id : "id" in payload ? payload.id : undefined;
    if (sender !== undefined && this.#options.forgotten.has(sender)) return this.#ignore(sender, received);
    switch (kind) {
      case "hello":
        return this.#introduced(payload, received);
      case "beat":
        return this.#beaten(payload);
      case "bye":
        return this.#perform(this.#membership.left(payload.id, payload.boot));
      case "batch":
      case "heads":
      case "pulled":
      case "differs":
      case "chains":
        return this.#streams.received(frame);
      case "state":
      case "snapshot":
        return this.#exchange.received(frame);
      case "blobs":
      case "blobPart":
        return this.#blobs.received(frame);
      case "pull":
      case "chainsPlease":
      case "snapshotPlease":
      case "blobPlease":
      case "blobsPlease":
      case "blobDoubted":
        return this.#service.received(frame, received);
      case "ping":
      case "pong":
        return this.#pulse.received(frame, answer);
      case "signal":
        return this.#options.events.signal(payload);
      case "forgotten":
        if (at && payload.node === this.self.id) this.#refused(removed());
    }
  }

  /** A node that was removed for good is told so, and nothing that it says is taken. */
  #ignore(node: string, { at, answer }: Received): void {
    answer?.(encodeFrame("forgotten", { node }));
    if (at) this.#arrival.heardFrom(at);
    this.#notices.forgotten(node, at);
  }

  #introduced({ info, known, heads, asks, writes }: Payload<"hello">, { at, answer }: Received): void {
    const now = this.#options.time.elapsed();
    if (asks) answer?.(this.#links.hello(false));
    this.#perform(this.#membership.introduced(info, now, at));
    const { forgotten } = this.#options;
    this.#perform(
      this.#membership.heardOf(
        known.filter(({ id }) => !forgotten.has(id)),
        now,
      ),
    );
    const peer = this.#membership.peers.get(info.id);
    if (peer?.up) this.#nodes.remember(peer);
    this.#options.events.nodesChanged();
    this.#streams.heard(info.id, heads, { comparing: true, all: true, writes });
    if (at) this.#arrival.heardFrom(at, info.id);
    this.#arrival.check();
  }

  #beaten({ id, boot, heads, stateVersion, writes }: Payload<"beat">): void {
    this.#perform(this.#membership.beat(id, boot, this.#options.time.elapsed()));
    const peer = this.#membership.peers.get(id);
    if (!peer?.up || peer.info.boot !== boot) return;
    this.#streams.heard(id, heads, { all: true, writes });
    this.#exchange.heard(id, boot, stateVersion);
  }
}
