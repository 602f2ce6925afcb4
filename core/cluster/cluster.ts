/** The cluster as one node takes part in it: the bus, and on it membership, replication and state. */
import { type Envelope, frameBytes, MAX_FRAME_BYTES } from "../envelope.ts";
import { asReject } from "../errors.ts";
import type { Committed, Log } from "../log/log.ts";
import type { Cancel, Time } from "../time.ts";
import { Arrival } from "./arrival.ts";
import type { Bus, Received } from "./bus.ts";
import { decodeFrame, encodeFrame, encodePulled, type Frame, MAX_STATE_ENTRIES, type Payload } from "./frames.ts";
import type { KeyPair } from "./keys.ts";
import { type Address, type Effect, Membership, type NodeInfo, type Peer, textOf } from "./membership.ts";
import { type Heads, Replication } from "./replication.ts";
import type { Seed } from "./seeds.ts";
import { type Changed, ClusterState, type StateDelta } from "./state.ts";

const BEAT_MS = 1_000;
/** Beats from one ping of a peer to the next. */
const PING_EVERY = 10;
const REPAIR_MS = 100;
const STATE_FLUSH_MS = 20;
const SNAPSHOT_RETRY_MS = 500;
const RESOLVE_AGAIN_MS = 5_000;
const READY_AFTER_MS = 5_000;
/** Envelopes in one published frame at most. */
const MAX_BATCH = 256;
const MAX_BATCH_BYTES = 1024 * 1024;

export type Signal = Omit<Payload<"signal">, "id">;

export type ClusterEvents = {
  signal(signal: Signal): void;
  stateChanged: Changed;
  /** A peer has committed this node's own stream up to `seq`. */
  held(peer: string, seq: number): void;
};

export type Logger = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

/** What moves frames between nodes; a simulation passes one without sockets. */
export type Transport = Pick<Bus, keyof Bus>;

export type ClusterOptions = {
  self: Omit<NodeInfo, "port" | "pubPort">;
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
  logger: Logger;
  events: ClusterEvents;
};

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #bus: Transport;
  readonly #membership: Membership;
  readonly #replication: Replication;
  readonly state: ClusterState;
  readonly self: NodeInfo;
  /** What this node has committed of every stream. */
  readonly #heads: Heads;
  /** The last heartbeat of each peer, as it came: in an idle mesh it comes again byte for byte, and need not be read again. */
  readonly #lastBeats = new Map<string, { bytes: Uint8Array; frame: Frame }>();
  readonly #subscribed = new Map<string, Address>();
  readonly #snapshotAskedAt = new Map<string, number>();
  readonly #arrival: Arrival;
  readonly #timers: Cancel[] = [];
  readonly #warnedAt = new Map<string, number>();
  #newHeads: Heads = {};
  #beats = 0;
  #flushing: Cancel | undefined;
  #repairing: Cancel | undefined;
  #watching: Cancel | undefined;
  #closed = false;

  /** Opens the bus and looks for peers. Throws `Reject` where a port is in use. */
  static async open(options: ClusterOptions): Promise<Cluster> {
    let cluster: Cluster | undefined;
    const early: Received[] = [];
    const bus = await options.openBus(
      {
        received: frame => (cluster ? cluster.#received(frame) : early.push(frame)),
        unreachable: address => {
          if (cluster) cluster.#arrival.heardFrom(address);
        },
        refused: address => {
          if (cluster) cluster.#warnOften(`refused ${address}`, { address }, "a stranger knocked at the bus");
        },
        estranged: address => {
          if (cluster) cluster.#estranged(textOf(address), address);
        },
      },
      options,
    );
    cluster = new Cluster(options, bus);
    for (const frame of early) cluster.#received(frame);
    return cluster;
  }

  private constructor(options: ClusterOptions, bus: Transport) {
    const { self, log, heads, events, logger, time } = options;
    this.#options = options;
    this.#bus = bus;
    this.self = { ...self, port: bus.port, pubPort: bus.pubPort };
    this.#membership = new Membership(this.self);
    this.#heads = { ...heads };
    this.#replication = new Replication(
      {
        log,
        pull: (peer, origin, after) => this.#ask(peer, "pull", { origin, after }),
        now: time.elapsed,
        missing: () => this.#repairSoon(),
        warn: (what, details) => this.#warnOften(what, details, what),
      },
      heads,
    );
    this.state = new ClusterState(self.id, self.boot, (type, key) => {
      this.#flushState();
      events.stateChanged(type, key);
    });
    this.#arrival = new Arrival({
      resolve: seed => options.resolve(seed, bus.port),
      found: addresses => this.#perform(this.#membership.seek(addresses)),
      isSettled: () => this.#replication.settled,
      unresolved: (host, why) =>
        logger.warn(
          { code: "host-unknown", host, why },
          `ZMQ_HOST names ${host}, which does not resolve; trying again every ${RESOLVE_AGAIN_MS / 1_000} s`,
        ),
    });
    void this.#arrival.seek(options.seeds);
    this.#timers.push(
      time.every(BEAT_MS, () => this.#beat()),
      time.every(RESOLVE_AGAIN_MS, () => void this.#arrival.seekAgain()),
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

  /** The peers as `status` shows them. */
  peers(): { id: string; name: string; up: boolean; rttMs: number | null; behind: number }[] {
    return [...this.#membership.peers.values()].map(({ info, up, rttMs }) => ({
      id: info.id,
      name: info.name,
      up,
      rttMs,
      behind: up ? this.#replication.behind(info.id) : 0,
    }));
  }

  /** The nodes that are up, this one first. */
  nodes(): { id: string; name: string }[] {
    return [this.self, ...this.#membership.up().map(({ info }) => info)].map(({ id, name }) => ({ id, name }));
  }

  /** A node's name, or its id where the name is not known. */
  nameOf(node: string): string {
    return node === this.self.id ? this.self.name : (this.#membership.peers.get(node)?.info.name ?? node);
  }

  /** Frames that wait to be sent, and frames that were dropped. */
  get queues(): { queued: number; dropped: number } {
    return { queued: this.#bus.queued, dropped: this.#bus.dropped };
  }

  /** Tells the peers of a commit. */
  committed({ envelopes, segments, heads }: Committed): void {
    Object.assign(this.#heads, heads);
    const own = envelopes.filter(({ origin }) => origin === this.#options.log.origin);
    for (const batch of batches(own)) this.#bus.publish(encodeFrame("batch", { id: this.self.id, envelopes: batch }));
    if (own.length < envelopes.length || segments.length > 0) this.#sayHeads(heads);
    this.#replication.committed(heads);
    this.#arrival.check();
  }

  /** Others' envelopes are stored here too: said once a turn of the loop. */
  #sayHeads(heads: Heads): void {
    if (Object.keys(this.#newHeads).length === 0)
      this.#options.time.soon(() => {
        if (!this.#closed) this.#bus.publish(encodeFrame("heads", { id: this.self.id, heads: this.#newHeads }));
        this.#newHeads = {};
      });
    Object.assign(this.#newHeads, heads);
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
      else {
        this.#arrival.dialed(effect.address);
        this.#bus.dial(effect.address);
        this.#greet(effect.address);
      }
    }
  }

  #estranged(where: string, address: Address): void {
    this.#arrival.heardFrom(address);
    this.#warnOften(
      `estranged ${where}`,
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
    this.#ask(info.id, "snapshotPlease", {});
    this.#ping(info.id);
    this.#options.logger.info({ peer: info.name, address: textOf(address) }, "a peer is up");
  }

  #drop({ info, address }: Peer): void {
    if (address) this.#bus.redial(address, this.#subscribed.get(info.id));
    this.#replication.lost(info.id);
    this.state.drop(info.id);
    this.#lastBeats.delete(info.id);
    this.#options.logger.warn({ peer: info.name }, "a peer is down");
  }

  #greet(address: Address): void {
    this.#bus.greet(address, () => this.#hello(true));
  }

  #hello(asks: boolean): Uint8Array {
    const known = [...this.#membership.peers.values()].filter(({ up }) => up).map(({ info }) => info);
    return encodeFrame("hello", { info: this.self, known, heads: this.#heads, asks });
  }

  #ask<Kind extends "pull" | "snapshotPlease" | "ping">(peer: string, kind: Kind, payload: Payload<Kind>): void {
    const address = this.#membership.peers.get(peer)?.address;
    if (address) this.#bus.request(address, encodeFrame(kind, payload));
  }

  #giveUpWaiting(): void {
    if (this.isReady) return;
    this.#options.logger.warn({}, "not every peer has answered yet; serving without what they may have");
    this.#arrival.giveUp();
  }

  #beat(): void {
    this.#perform(this.#membership.greet());
    const { id, boot } = this.self;
    this.#bus.publish(encodeFrame("beat", { id, boot, heads: this.#heads, stateVersion: this.state.version }));
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
      if (this.#replication.tick()) this.#repairSoon();
    });
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
      this.#warnOften(
        "state",
        { values, bytes, maxBytes: MAX_FRAME_BYTES },
        "the state of this node is too large for its peers: plugins hold too many or too large values",
      );
    return frame;
  }

  #received({ bytes, at, answer }: Received): void {
    if (this.#closed) return;
    try {
      this.#dispatch(this.#read(bytes), at, answer);
    } catch (error) {
      const { code, message } = asReject(error);
      this.#warnOften(message, { code, why: message }, "a frame was refused");
    }
  }

  #read(bytes: Uint8Array): Frame {
    for (const last of this.#lastBeats.values())
      if (last.bytes.length === bytes.length && Buffer.compare(last.bytes, bytes) === 0) return last.frame;
    const frame = decodeFrame(bytes);
    if (frame.kind === "beat" && this.#membership.peers.has(frame.payload.id))
      this.#lastBeats.set(frame.payload.id, { bytes, frame });
    return frame;
  }

  #dispatch({ kind, payload }: Frame, at: Address | undefined, answer: Received["answer"]): void {
    const now = this.#options.time.elapsed();
    switch (kind) {
      case "hello":
        return this.#introduced(payload, now, at, answer);
      case "beat":
        return this.#beaten(payload, now);
      case "bye":
        return this.#perform(this.#membership.left(payload.id, payload.boot));
      case "batch":
        return this.#replication.live(payload.id, payload.envelopes);
      case "heads":
        return this.#heard(payload.id, payload.heads);
      case "pull":
        return void this.#serve(payload, answer);
      case "pulled":
        return this.#replication.pulled(payload.id, payload.origin, payload.packed);
      case "state":
        if (!this.state.apply(payload.id, payload.delta)) this.#askSnapshot(payload.id, now);
        return;
      case "snapshotPlease":
        this.#publishState();
        return answer?.(this.#stateFrame("snapshot", this.state.snapshot()));
      case "snapshot":
        if (this.#membership.peers.get(payload.id)?.up) this.state.replace(payload.id, payload.delta);
        return;
      case "signal":
        return this.#options.events.signal(payload);
      case "ping":
        return answer?.(encodeFrame("pong", { id: this.self.id, at: payload.at }));
      case "pong":
        return this.#membership.measured(payload.id, Math.max(0, now - payload.at));
    }
  }

  #introduced(hello: Payload<"hello">, now: number, at: Address | undefined, answer: Received["answer"]): void {
    if (hello.asks) answer?.(this.#hello(false));
    this.#perform(this.#membership.introduced(hello.info, now, at));
    this.#perform(this.#membership.heardOf(hello.known));
    this.#heard(hello.info.id, hello.heads, true);
    if (at) this.#arrival.heardFrom(at);
    this.#arrival.check();
  }

  #beaten({ id, boot, heads, stateVersion }: Payload<"beat">, now: number): void {
    this.#perform(this.#membership.beat(id, boot, now));
    const peer = this.#membership.peers.get(id);
    if (!peer?.up || peer.info.boot !== boot) return;
    this.#heard(id, heads);
    if (!this.state.isCurrent(id, boot, stateVersion)) this.#askSnapshot(id, now);
  }

  #heard(peer: string, heads: Heads, comparing = false): void {
    if (!this.#membership.peers.get(peer)?.up) return;
    this.#replication.heard(peer, heads, comparing);
    const own = this.#options.log.origin;
    const held = own === undefined ? undefined : heads[own];
    if (held) this.#options.events.held(peer, held.seq);
  }

  #askSnapshot(peer: string, now: number): void {
    if (now - (this.#snapshotAskedAt.get(peer) ?? Number.NEGATIVE_INFINITY) < SNAPSHOT_RETRY_MS) return;
    this.#snapshotAskedAt.set(peer, now);
    this.#ask(peer, "snapshotPlease", {});
  }

  async #serve({ origin, after }: Payload<"pull">, answer: Received["answer"]): Promise<void> {
    try {
      const packed = await this.#replication.answer(origin, after);
      if (!this.#closed) answer?.(encodePulled({ id: this.self.id, origin }, packed));
    } catch (error) {
      this.#options.logger.warn({ why: (error as Error).message }, "a peer's request could not be answered");
    }
  }

  /** One line a minute for each cause: a hostile peer must not fill the disk with words. */
  #warnOften(cause: string, details: object, message: string): void {
    const now = this.#options.time.elapsed();
    if (now - (this.#warnedAt.get(cause) ?? Number.NEGATIVE_INFINITY) < 60_000) return;
    if (this.#warnedAt.size > 1_000) this.#warnedAt.clear();
    this.#warnedAt.set(cause, now);
    this.#options.logger.warn(details, message);
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
