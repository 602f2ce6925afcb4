/** The nodes of the cluster as the rest of this one sees them: itself, those that are up, and those that once were. */
import type { NodeFigures } from "../plugin.ts";
import type { KnownNode } from "../urls.ts";
import type { Membership, NodeInfo, Peer } from "./membership.ts";
import type { Remembered } from "./remembered.ts";

export type PeerFigures = NodeFigures["peers"][number];

export class Nodes {
  readonly #self: NodeInfo;
  readonly #membership: Membership;
  readonly #remembered: Remembered;

  constructor(self: NodeInfo, membership: Membership, remembered: Remembered) {
    this.#self = self;
    this.#membership = membership;
    this.#remembered = remembered;
  }

  isUp(peer: string): boolean {
    return this.#membership.peers.get(peer)?.up === true;
  }

  get peersUp(): number {
    return this.#membership.up().length;
  }

  /** The peers that are up and know of blobs. */
  keepers(): string[] {
    return this.#membership.up().flatMap(({ info: { id, blobs } }) => (blobs ? [id] : []));
  }

  /** The nodes that are up, this one first. */
  up(): KnownNode[] {
    return [this.#self, ...this.#membership.up().map(({ info }) => info)].map(({ id, name, hosts, urls = [] }) => ({
      id,
      name,
      urls,
      isHere: this.#membership.isHere({ hosts }),
    }));
  }

  /** The peers, also those that have not been up since this start; `behind` says how much one that is up lacks. */
  peers(behind: (peer: string) => number): PeerFigures[] {
    const met = [...this.#membership.peers.values()].map(({ info: { id, name }, up, rttMs, clockMs }) => {
      return { id, name, up, rttMs, clockMs, behind: up ? behind(id) : 0 };
    });
    const unmet = this.#remembered.all().filter(({ id }) => !this.#membership.peers.has(id));
    const unknown = { up: false, rttMs: null, clockMs: null, behind: 0 };
    return [...met, ...unmet.map(({ id, name }) => ({ id, name, ...unknown }))];
  }

  /** The addresses of the other nodes' pages, of those that are away, too, and were when this node started. */
  siblings(): string[] {
    return this.#remembered.all().flatMap(({ urls }) => urls ?? []);
  }

  /** A node's name, or its id where the name is not known. */
  nameOf(node: string): string {
    if (node === this.#self.id) return this.#self.name;
    return this.#membership.peers.get(node)?.info.name ?? this.#remembered.get(node)?.name ?? node;
  }

  /** A peer is up: it is looked for after the next start too. */
  remember(peer: Peer): void {
    const { id, name, urls } = peer.info;
    this.#remembered.saw({ id, name, addresses: this.#membership.addressesOf(peer), urls });
  }
}
