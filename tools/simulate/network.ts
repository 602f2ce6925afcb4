/** The network between simulated nodes: frames are late, lost, doubled and out of order, and links are cut both ways or one. */
import type { Received } from "../../core/cluster/bus.ts";
import type { Transport } from "../../core/cluster/cluster.ts";
import { decodeFrame } from "../../core/cluster/frames.ts";
import { type Address, textOf } from "../../core/cluster/membership.ts";
import type { Life, World } from "./world.ts";

export const PORT = 6002;
const PUB_PORT = 6003;

export type Weather = { lossy: number; doubled: number; slowMs: number };
export const FAIR: Weather = { lossy: 0, doubled: 0, slowMs: 5 };

type Events = Parameters<typeof import("../../core/cluster/bus.ts").Bus.open>[0];
type Station = { host: string; life: Life; events: Events; subscribed: Set<string> };

/** A frame that is about to be sent; what a mutant answers false to is not. */
export type Censor = (kind: string) => boolean;

export class Network {
  readonly #world: World;
  readonly #stations = new Map<string, Station>();
  /** Directed: from one host to another. */
  readonly #cut = new Set<string>();
  weather: Weather = FAIR;
  admits: Censor = () => true;

  constructor(world: World) {
    this.#world = world;
  }

  /** Nothing gets from the one to the other; the way back is open. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from} ${to}`);
  }

  /** Nothing gets through either way. */
  part(one: string, other: string): void {
    this.cut(one, other);
    this.cut(other, one);
  }

  heal(): void {
    this.#cut.clear();
    this.weather = FAIR;
  }

  /** A node's sockets. They die with it. */
  open(host: string, life: Life, events: Events): Transport {
    const station: Station = { host, life, events, subscribed: new Set() };
    this.#stations.set(host, station);
    const dialed = new Set<string>();
    const world = this.#world;
    const request = (address: Address, bytes: Uint8Array) => {
      if (!dialed.has(textOf(address))) return;
      const other = this.#stations.get(address.host);
      if (!other?.life.alive) {
        // Only a host that is reached can refuse.
        if (!this.#isCut(host, address.host))
          world.after(1, life, () => dialed.has(textOf(address)) && events.unreachable(address));
        return;
      }
      this.#send(host, other, bytes, frame => ({
        ...frame,
        answer: answer => this.#send(other.host, station, answer, frame => ({ ...frame, at: address })),
      }));
    };
    return {
      port: PORT,
      pubPort: PUB_PORT,
      queued: 0,
      queuedBytes: 0,
      dropped: 0,
      publish: bytes => {
        for (const other of this.#stations.values())
          if (other.subscribed.has(host)) this.#send(host, other, bytes, frame => frame);
      },
      // A subscription has to get there first.
      subscribe: ({ host: to }) =>
        void world.after(world.random.between(1, 50), life, () => station.subscribed.add(to)),
      unsubscribe: ({ host: to }) => void station.subscribed.delete(to),
      dial: address => void dialed.add(textOf(address)),
      hangUp: address => void dialed.delete(textOf(address)),
      redial: address => void dialed.add(textOf(address)),
      request,
      greet: (address, bytes) => request(address, bytes()),
      flush: async () => {},
      close: () => station.subscribed.clear(),
    } satisfies Transport;
  }

  #isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from} ${to}`);
  }

  #send(from: string, to: Station, bytes: Uint8Array, dressed: (frame: Received) => Received): void {
    const { random } = this.#world;
    if (this.#isCut(from, to.host) || random.chance(this.weather.lossy)) return;
    const { kind } = decodeFrame(bytes);
    if (!this.admits(kind)) return;
    for (let copies = random.chance(this.weather.doubled) ? 2 : 1; copies > 0; copies--)
      this.#world.after(random.between(0.1, this.weather.slowMs), to.life, () => {
        // A link that was cut meanwhile took what was on it.
        if (this.#isCut(from, to.host)) return;
        this.#world.trace(() => `${from} -> ${to.host} ${kind}`);
        to.events.received(dressed({ bytes }));
      });
  }
}
