/** The connections to peers: what this node says there of itself and asks for, and whose publications it hears. */

import { type Address, textOf } from "./address.ts";
import type { Bus } from "./bus.ts";
import { encodeFrame, type Payload, type RequestKind } from "./frames.ts";
import type { Membership, NodeInfo, Peer } from "./membership.ts";

export type LinksPorts = {
  bus: Pick<Bus, "request" | "greet" | "subscribe" | "unsubscribe" | "redial">;
  membership: Pick<Membership, "peers" | "up">;
  /** How far this node has the log and its state, and the stream that it writes. */
  progress(): Pick<Payload<"beat">, "heads" | "stateVersion" | "writes">;
};

export class Links {
  readonly #self: NodeInfo;
  readonly #ports: LinksPorts;
  /** Where the publications of each peer come from. */
  readonly #subscribed = new Map<string, Address>();

  constructor(self: NodeInfo, ports: LinksPorts) {
    this.#self = self;
    this.#ports = ports;
  }

  /** This node's introduction; with `asks` it is to be answered by the other's. */
  hello(asks: boolean): Uint8Array {
    const { membership, progress } = this.#ports;
    const { heads, writes } = progress();
    return encodeFrame("hello", {
      info: this.#self,
      known: membership.up().map(({ info }) => info),
      heads,
      asks,
      writes,
    });
  }

  greet(address: Address): void {
    this.#ports.bus.greet(address, () => this.hello(true));
  }

  /** This node's heartbeat. */
  beat(): Uint8Array {
    const { id, boot } = this.#self;
    return encodeFrame("beat", { id, boot, ...this.#ports.progress() });
  }

  /** Asks a peer, where it has an address. */
  ask<Kind extends RequestKind>(peer: string, kind: Kind, payload: Payload<Kind>): void {
    const address = this.#ports.membership.peers.get(peer)?.address;
    if (address) this.#ports.bus.request(address, encodeFrame(kind, payload));
  }

  /** A peer is up, and answered at `address`: what it publishes is heard there. */
  welcome({ id, pubPort }: NodeInfo, address: Address): void {
    const { bus } = this.#ports;
    const publications = { host: address.host, port: pubPort };
    const before = this.#subscribed.get(id);
    if (before && textOf(before) === textOf(publications)) return;
    if (before) bus.unsubscribe(before);
    bus.subscribe(publications, address);
    this.#subscribed.set(id, publications);
  }

  /** A peer is down: it is connected anew, where it still has an address. */
  lost({ info: { id }, address }: Peer): void {
    const { bus } = this.#ports;
    const publications = this.#subscribed.get(id);
    if (address) bus.redial(address, publications);
    else if (publications) {
      bus.unsubscribe(publications);
      this.#subscribed.delete(id);
    }
  }
}
