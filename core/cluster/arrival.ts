/** When a node that starts has arrived in its cluster: it has looked for its peers, and has what they have. */
import { type Address, textOf } from "./membership.ts";
import type { Seed } from "./seeds.ts";

export type ArrivalPorts = {
  /** All addresses that a seed means; rejects where its name does not resolve. */
  resolve(seed: Seed): Promise<Address[]>;
  /** Dials what a name stands for. */
  found(addresses: Address[]): void;
  /** Whether everything that the peers were heard to hold is here. */
  isSettled(): boolean;
  unresolved(host: string, why: string): void;
};

export class Arrival {
  readonly #ports: ArrivalPorts;
  /** Addresses that neither answered nor refused yet. */
  readonly #awaited = new Set<string>();
  /** Names that did not resolve: they may later, since containers start in any order. */
  readonly #unresolved = new Map<string, Seed>();
  #isResolving = true;
  #arrive: () => void = () => {};
  isReady = false;
  readonly ready: Promise<void>;

  constructor(ports: ArrivalPorts) {
    this.#ports = ports;
    this.ready = new Promise(resolve => {
      this.#arrive = () => {
        this.isReady = true;
        resolve();
      };
    });
  }

  async seek(seeds: readonly Seed[]): Promise<void> {
    await Promise.all(seeds.map(seed => this.#resolve(seed)));
    this.#isResolving = false;
    this.check();
  }

  async #resolve(seed: Seed): Promise<void> {
    try {
      this.#ports.found(await this.#ports.resolve(seed));
      this.#unresolved.delete(seed.host);
    } catch (error) {
      if (!this.#unresolved.has(seed.host)) this.#ports.unresolved(seed.host, (error as Error).message);
      this.#unresolved.set(seed.host, seed);
    }
  }

  async seekAgain(): Promise<void> {
    if (this.#unresolved.size > 0) await this.seek([...this.#unresolved.values()]);
  }

  dialed(address: Address): void {
    this.#awaited.add(textOf(address));
  }

  /** It answered, refused, or is of no interest any more. */
  heardFrom(address: Address): void {
    if (this.#awaited.delete(textOf(address))) this.check();
  }

  /** Called whenever something came that could have been the last thing missing. */
  check(): void {
    if (!this.isReady && !this.#isResolving && this.#awaited.size === 0 && this.#ports.isSettled()) this.#arrive();
  }

  /** Whoever has not been found by now will be later: the node serves without. */
  giveUp(): void {
    this.#arrive();
  }
}
