/**
 * Who is in the cluster, and at which address. Has no socket, clock or timer of its own: it is told what was heard, and
 * answers with what to do.
 */

import { isElsewhere } from "../addresses.ts";
import { type Address, textOf } from "./address.ts";
import { type Dial, type DialEffect, Dialed } from "./dialed.ts";

export { type Address, textOf } from "./address.ts";

/** How a node introduces itself. `boot` is another one each time it starts, at `startedAt` in milliseconds since 1970. */
export type NodeInfo = {
  id: string;
  boot: string;
  startedAt?: number | undefined;
  name: string;
  version: string;
  /** Addresses under which other hosts reach it, and its two ports: requests, and publications. */
  hosts: string[];
  port: number;
  pubPort: number;
  /** Addresses of its page; nodes of older versions do not say them. */
  urls?: string[] | undefined;
  /** Whether it knows of blobs; nodes of older versions do not say it. */
  blobs?: boolean | undefined;
};

export type Peer = {
  info: NodeInfo;
  /** The address that answered; undefined until one did. */
  address: Address | undefined;
  up: boolean;
  /** Given up because no heartbeat came: a call alone does not bring it back, its publications have to be heard. */
  silent: boolean;
  lastHeardMs: number;
  rttMs: number | null;
  /** How far its clock is ahead of this node's; null where that is not known. */
  clockMs: number | null;
};

export type Effect =
  | DialEffect
  | { do: "greet"; address: Address }
  /** A peer came up, or came back as a new run of itself. */
  | { do: "welcome"; peer: Peer }
  /** A peer is down or has left. */
  | { do: "drop"; peer: Peer }
  /** Another process runs on a copy of this node's data directory: the one that started first goes on. */
  | { do: "giveWay"; twin: Twin }
  | { do: "outlast"; twin: Twin };

/** Another run of this node, and an address of it, where one is known. */
export type Twin = { info: NodeInfo; address: Address | undefined };

/** A peer of before this start, and where it was. */
export type Acquaintance = { id: string; addresses: readonly Address[] };

/** Two heartbeats of a calm node, which beats every two seconds, and a little for their way. */
export const DOWN_AFTER_MS = 4_400;
/** How long a node that was taken for another run of itself introduces itself to everybody again. */
const MISTAKEN_MS = 10_000;

/** Nodes that are remembered: whoever is in can make nodes up. */
const MAX_PEERS = 256;

export class Membership {
  readonly #self: NodeInfo;
  readonly peers = new Map<string, Peer>();
  readonly #dialed = new Dialed();
  /** When a peer last took another run for this node. */
  #mistakenAt = Number.NEGATIVE_INFINITY;

  constructor(self: NodeInfo) {
    this.#self = self;
  }

  /** Dials what a person's names stand for now, and gives up what they stood for before, unless its peer is up there. */
  seek(addresses: readonly Address[]): Effect[] {
    const named = new Set(addresses.map(textOf));
    const before = this.#dialed.all().filter(dialed => dialed.named && !named.has(textOf(dialed.address)));
    return [
      ...addresses.flatMap(address => this.#dialed.dial(address, undefined, true)),
      ...before.flatMap(dialed => this.#outdate(dialed)),
    ];
  }

  #outdate(dialed: Dial): Effect[] {
    dialed.named = false;
    dialed.outdated = true;
    return this.#isUpAt(dialed) ? [] : this.#giveUp(dialed);
  }

  #isUpAt({ address, peer: id }: Dial): boolean {
    const peer = id === undefined ? undefined : this.peers.get(id);
    return peer?.up === true && peer.address !== undefined && textOf(peer.address) === textOf(address);
  }

  #giveUp({ address, peer: id }: Dial): Effect[] {
    const peer = id === undefined ? undefined : this.peers.get(id);
    if (peer?.address && textOf(peer.address) === textOf(address)) peer.address = undefined;
    return this.#dialed.hangUp(address);
  }

  /** Whether somebody does not answer who is named or was up. */
  get isSomebodyMissing(): boolean {
    const isMissing = ({ named, peer }: Dial) => named && !(peer !== undefined && this.peers.get(peer)?.up);
    return this.#dialed.all().some(isMissing) || [...this.peers.values()].some(({ up }) => !up);
  }

  /** This node has other addresses than before: the peers are told. */
  moved(hosts: string[]): Effect[] {
    if (hosts.length === 0 || sameHosts(hosts, this.#self.hosts)) return [];
    this.#self.hosts = hosts;
    return this.changed();
  }

  /** What this node says of itself is other than before. Who was greeted and is not up yet may have heard it as it was. */
  changed(): Effect[] {
    return this.#dialed.all().map(({ address }) => ({ do: "greet", address }));
  }

  /** Dials the peers of before this start. */
  recall(peers: readonly Acquaintance[]): Effect[] {
    return peers.flatMap(({ id, addresses }) => addresses.flatMap(address => this.#dialed.dial(address, id)));
  }

  /** Every address where a peer may be found, the one that answered first. */
  addressesOf({ info, address }: Peer): Address[] {
    const addresses = [...(address ? [address] : []), ...this.#candidates(info)];
    return [...new Map(addresses.map(address => [textOf(address), address])).values()];
  }

  /** A node introduced itself, in answer at an address that was dialed, or by a call of its own. */
  introduced(info: NodeInfo, nowMs: number, at?: Address): Effect[] {
    if (info.id === this.#self.id) {
      if (info.boot !== this.#self.boot) return this.#twin(info, nowMs, at);
      return at ? this.#dialed.isSelf(at) : [];
    }
    const known = this.peers.get(info.id);
    if (!known && !this.#remembersOneMore()) return [];
    const peer = known ?? {
      info,
      address: undefined,
      up: false,
      silent: false,
      lastHeardMs: nowMs,
      rttMs: null,
      clockMs: null,
    };
    this.peers.set(info.id, peer);
    const effects: Effect[] = [];
    const isRestarted = peer.info.boot !== info.boot;
    const hasMoved = this.#hasMoved(peer, info, at);
    if (peer.up && (isRestarted || hasMoved)) effects.push(...this.#down(peer));
    if (isRestarted) peer.silent = false;
    if (hasMoved) effects.push(...this.#leave(peer, info));
    peer.info = info;
    if (at) effects.push(...this.#answered(peer, at));
    else if (!peer.address)
      effects.push(...this.#candidates(info).flatMap(address => this.#dialed.dial(address, info.id)));
    if (peer.address && !peer.up && !peer.silent) {
      peer.up = true;
      peer.lastHeardMs = nowMs;
      effects.push({ do: "welcome", peer });
    }
    return effects;
  }

  /** Forgets who never answered, else who is gone, where there are too many; false where all are here. */
  #remembersOneMore(): boolean {
    if (this.peers.size < MAX_PEERS) return true;
    const all = [...this.peers.values()];
    const least = all.find(({ address }) => !address) ?? all.find(({ up }) => !up);
    return least !== undefined && this.peers.delete(least.info.id);
  }

  /** Whether a peer has other addresses than before, and is not to be found where it was. */
  #hasMoved({ address, info: before, up }: Peer, info: NodeInfo, at: Address | undefined): boolean {
    if (!address || (at && textOf(at) === textOf(address))) return false;
    if (before.port === info.port && sameHosts(before.hosts, info.hosts)) return false;
    // A network that this one does not use may have come or gone.
    const isGone = before.hosts.includes(address.host) && !info.hosts.includes(address.host);
    return before.boot !== info.boot || !up || isGone;
  }

  /** Gives up where a peer was, and what of its addresses of before never answered. */
  #leave(peer: Peer, info: NodeInfo): Effect[] {
    const effects: Effect[] = peer.address ? this.#dialed.abandon(peer.address, info.id) : [];
    peer.address = undefined;
    const candidates = new Set(this.#candidates(info).map(textOf));
    for (const dialed of this.#dialed.all())
      if (dialed.of === info.id && !dialed.named && !dialed.peer && !candidates.has(textOf(dialed.address)))
        effects.push(...this.#giveUp(dialed));
    return effects;
  }

  #twin(info: NodeInfo, nowMs: number, at: Address | undefined): Effect[] {
    const twin = { info, address: at ?? this.#candidates(info)[0] };
    this.#mistakenAt = nowMs;
    if (isLater(this.#self, info)) return [{ do: "giveWay", twin }];
    const effects: Effect[] = [{ do: "outlast", twin }];
    // It has heard of this node by now, and ends.
    return at && this.#dialed.at(at)?.named === false ? [...effects, ...this.#dialed.hangUp(at)] : effects;
  }

  /** One address a peer is enough: the first that answers stays while the peer is up. */
  #answered(peer: Peer, at: Address): Effect[] {
    const { info, address, up } = peer;
    const dialed = this.#dialed.at(at);
    if (dialed) dialed.peer = info.id;
    if (address && textOf(address) === textOf(at)) return [];
    if (address && up) return dialed?.named ? [] : this.#dialed.abandon(at, info.id);
    // That nothing was heard from where it was says nothing of here.
    peer.silent = false;
    peer.address = at;
    return address ? this.#dialed.abandon(address, info.id) : [];
  }

  /**
   * Nodes that a peer knows. Another run of this very node may be the one before, which the peer has not missed yet: only who
   * answers is a twin.
   */
  heardOf(infos: readonly NodeInfo[], nowMs: number): Effect[] {
    const effects: Effect[] = [];
    for (const info of infos) {
      const isOwn = info.id === this.#self.id;
      if (isOwn ? info.boot === this.#self.boot : this.peers.get(info.id)?.address) continue;
      if (isOwn) this.#mistakenAt = nowMs;
      effects.push(...this.#candidates(info).flatMap(address => this.#dialed.dial(address, info.id)));
    }
    return effects;
  }

  /** A node on this very host has the same addresses as this one, and is reached at the loopback one. */
  #candidates({ hosts, port }: NodeInfo): Address[] {
    const reachable = this.isHere({ hosts }) ? ["127.0.0.1"] : hosts.filter(isElsewhere);
    return reachable.map(host => ({ host, port }));
  }

  /** Whether a node runs on this very host. */
  isHere({ hosts }: Pick<NodeInfo, "hosts">): boolean {
    return sameHosts(hosts, this.#self.hosts);
  }

  /** A heartbeat. */
  beat(id: string, boot: string, nowMs: number): Effect[] {
    const peer = this.peers.get(id);
    if (!peer?.address) return [];
    peer.lastHeardMs = nowMs;
    peer.silent = false;
    // A new run of it, or one that had been given up: both sides introduce themselves again.
    if (!peer.up || peer.info.boot !== boot) return [{ do: "greet", address: peer.address }];
    return [];
  }

  measured(id: string, rttMs: number, clockMs: number | null): void {
    const peer = this.peers.get(id);
    if (peer) Object.assign(peer, { rttMs, clockMs });
  }

  /** A peer said goodbye. */
  left(id: string, boot: string): Effect[] {
    const peer = this.peers.get(id);
    return peer?.up && peer.info.boot === boot ? this.#down(peer) : [];
  }

  /** A peer was removed for good; what a person named is kept, as somebody else may come to live there. */
  forget(id: string): Effect[] {
    const peer = this.peers.get(id);
    const effects = peer?.up ? this.#down(peer) : [];
    for (const dialed of this.#dialed.all()) {
      if (dialed.peer !== id && dialed.of !== id) continue;
      if (!dialed.named) effects.push(...this.#giveUp(dialed));
      dialed.peer = undefined;
      dialed.of = undefined;
    }
    this.peers.delete(id);
    return effects;
  }

  /** When `watch` has to be called next: the first peer is given up then that is not heard until then, in ms. */
  dueMs(nowMs: number): number {
    return Math.min(nowMs, ...this.up().map(({ lastHeardMs }) => lastHeardMs)) + DOWN_AFTER_MS;
  }

  /** Gives up the peers that have been silent for too long. */
  watch(nowMs: number): Effect[] {
    const effects: Effect[] = [];
    for (const peer of this.peers.values()) {
      if (!peer.up || nowMs - peer.lastHeardMs <= DOWN_AFTER_MS) continue;
      peer.silent = true;
      effects.push(...this.#down(peer));
    }
    return effects;
  }

  /** Greets who has not answered, is down, or may take another run for this node. Called once a second. */
  greet(nowMs: number): Effect[] {
    const isMistaken = nowMs - this.#mistakenAt < MISTAKEN_MS;
    const effects: Effect[] = [];
    for (const dialed of this.#dialed.all()) {
      const { address, peer } = dialed;
      if (peer === undefined) dialed.greeted++;
      if (isMistaken || peer === undefined || !this.peers.get(peer)?.up) effects.push({ do: "greet", address });
    }
    return effects;
  }

  #down(peer: Peer): Effect[] {
    peer.up = false;
    peer.rttMs = null;
    peer.clockMs = null;
    const outdated = peer.address && this.#dialed.at(peer.address);
    return [{ do: "drop", peer }, ...(outdated?.outdated ? this.#giveUp(outdated) : [])];
  }

  /** The peers that are up. */
  up(): Peer[] {
    return [...this.peers.values()].filter(({ up }) => up);
  }
}

/** The same on both sides. A node that does not say when it started knows nothing of twins, and cannot give way. */
function isLater(some: NodeInfo, other: NodeInfo): boolean {
  const [since, otherSince] = [some.startedAt ?? 0, other.startedAt ?? 0];
  return since === otherSince ? some.boot > other.boot : since > otherSince;
}

function sameHosts(some: readonly string[], others: readonly string[]): boolean {
  return some.toSorted().join() === others.toSorted().join();
}
