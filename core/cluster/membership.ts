/**
 * Who is in the cluster, and at which address. Has no socket, clock or timer of its own: it is told what was heard, and
 * answers with what to do.
 */

/** How a node introduces itself. `boot` is another one each time it starts. */
export type NodeInfo = {
  id: string;
  boot: string;
  name: string;
  version: string;
  /** Addresses under which other hosts reach it, and its two ports: requests, and publications. */
  hosts: string[];
  port: number;
  pubPort: number;
};

export type Address = { host: string; port: number };

export type Peer = {
  info: NodeInfo;
  /** The address that answered; undefined until one did. */
  address: Address | undefined;
  up: boolean;
  /** Given up because no heartbeat came: a call alone does not bring it back, its publications have to be heard. */
  silent: boolean;
  lastHeardMs: number;
  rttMs: number | null;
};

export type Effect =
  | { do: "dial"; address: Address }
  | { do: "hangUp"; address: Address }
  | { do: "greet"; address: Address }
  /** A peer came up, or came back as a new run of itself. */
  | { do: "welcome"; peer: Peer }
  /** A peer is down or has left. */
  | { do: "drop"; peer: Peer };

/** An address that was dialed, and the peer that answered there. One that a person named is kept whatever happens. */
type Dialed = { address: Address; named: boolean; peer: string | undefined };

/** Three heartbeats of one second, and a little for their way. */
export const DOWN_AFTER_MS = 3_300;

export const textOf = ({ host, port }: Address): string => `${host}:${port}`;

export class Membership {
  readonly #self: NodeInfo;
  readonly peers = new Map<string, Peer>();
  /** Every address dialed, and the peer that answered there. */
  readonly #dialed = new Map<string, Dialed>();
  readonly #ownAddresses = new Set<string>();

  constructor(self: NodeInfo) {
    this.#self = self;
  }

  /** Dials addresses that a person named. */
  seek(addresses: readonly Address[]): Effect[] {
    return addresses.flatMap(address => this.#dial(address, true));
  }

  #dial(address: Address, named = false): Effect[] {
    const text = textOf(address);
    if (this.#dialed.has(text) || this.#ownAddresses.has(text)) return [];
    this.#dialed.set(text, { address, named, peer: undefined });
    return [{ do: "dial", address }];
  }

  /** A node introduced itself, in answer at an address that was dialed, or by a call of its own. */
  introduced(info: NodeInfo, nowMs: number, at?: Address): Effect[] {
    if (info.id === this.#self.id) return at ? this.#isSelf(at) : [];
    const known = this.peers.get(info.id);
    const peer = known ?? { info, address: undefined, up: false, silent: false, lastHeardMs: nowMs, rttMs: null };
    this.peers.set(info.id, peer);
    const effects: Effect[] = [];
    if (peer.info.boot !== info.boot && peer.up) effects.push(...this.#down(peer));
    if (peer.info.boot !== info.boot) {
      peer.silent = false;
      effects.push(...this.#moved(peer, info, at));
    }
    peer.info = info;
    if (at) effects.push(...this.#answered(peer, at));
    else if (!peer.address) effects.push(...this.#candidates(info).flatMap(address => this.#dial(address)));
    if (peer.address && !peer.up && !peer.silent) {
      peer.up = true;
      peer.lastHeardMs = nowMs;
      effects.push({ do: "welcome", peer });
    }
    return effects;
  }

  /** A new run of a peer may have other addresses than the one before. */
  #moved(peer: Peer, { port, hosts }: NodeInfo, at: Address | undefined): Effect[] {
    const { address, info } = peer;
    if (!address || (at && textOf(at) === textOf(address))) return [];
    if (info.port === port && sameHosts(info.hosts, hosts)) return [];
    peer.address = undefined;
    return this.#abandon(address, info.id);
  }

  #isSelf(at: Address): Effect[] {
    this.#ownAddresses.add(textOf(at));
    this.#dialed.delete(textOf(at));
    return [{ do: "hangUp", address: at }];
  }

  /** One address a peer is enough; the first that answers stays. */
  #answered(peer: Peer, at: Address): Effect[] {
    const dialed = this.#dialed.get(textOf(at));
    if (dialed) dialed.peer = peer.info.id;
    if (!peer.address || textOf(peer.address) === textOf(at)) {
      peer.address = at;
      return [];
    }
    return dialed?.named ? [] : this.#abandon(at, peer.info.id);
  }

  /** Gives an address up, unless a person named it or another peer answers there. */
  #abandon(address: Address, peer: string): Effect[] {
    const dialed = this.#dialed.get(textOf(address));
    if (dialed?.peer !== peer) return [];
    // Somebody else may come to answer at an address that a person named.
    dialed.peer = undefined;
    if (dialed.named) return [];
    this.#dialed.delete(textOf(address));
    return [{ do: "hangUp", address }];
  }

  /** Nodes that a peer knows. */
  heardOf(infos: readonly NodeInfo[]): Effect[] {
    return infos
      .filter(({ id }) => id !== this.#self.id && !this.peers.get(id)?.address)
      .flatMap(info => this.#candidates(info).flatMap(address => this.#dial(address)));
  }

  /** A node on this very host has the same addresses as this one, and is reached at the loopback one. */
  #candidates({ hosts, port }: NodeInfo): Address[] {
    return (sameHosts(hosts, this.#self.hosts) ? ["127.0.0.1"] : hosts).map(host => ({ host, port }));
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

  measured(id: string, rttMs: number): void {
    const peer = this.peers.get(id);
    if (peer) peer.rttMs = rttMs;
  }

  /** A peer said goodbye. */
  left(id: string, boot: string): Effect[] {
    const peer = this.peers.get(id);
    return peer?.up && peer.info.boot === boot ? this.#down(peer) : [];
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

  /** Greets who has not answered, or is down. Called once a second. */
  greet(): Effect[] {
    const effects: Effect[] = [];
    for (const { address, peer } of this.#dialed.values())
      if (peer === undefined || !this.peers.get(peer)?.up) effects.push({ do: "greet", address });
    return effects;
  }

  #down(peer: Peer): Effect[] {
    peer.up = false;
    peer.rttMs = null;
    return [{ do: "drop", peer }];
  }

  /** The peers that are up. */
  up(): Peer[] {
    return [...this.peers.values()].filter(({ up }) => up);
  }
}

function sameHosts(some: readonly string[], others: readonly string[]): boolean {
  return some.toSorted().join() === others.toSorted().join();
}
