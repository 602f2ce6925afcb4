/** What the names of peers stand for now: containers and DHCP give hosts other addresses while nodes run. */
import type { Address } from "./address.ts";
import type { Seed } from "./seeds.ts";

export type ResolverPorts = {
  /** All addresses that a seed means; rejects where its name does not resolve. */
  resolve(seed: Seed): Promise<Address[]>;
  /** All that the seeds stand for, as far as it is known. */
  found(addresses: Address[]): void;
  /** Once, until the name does resolve. */
  unresolved(host: string, why: string): void;
};

/** Of how many rounds one is enough while everybody is there: what a name gains then is one more node, and no gap. */
const CALM_ROUNDS = 6;

export class Resolver {
  readonly #ports: ResolverPorts;
  /** Each seed, and what it stood for when it was resolved last. */
  readonly #addresses: Map<Seed, readonly Address[]>;
  readonly #failed = new Set<Seed>();
  #isBusy = false;
  #rounds = 0;

  constructor(ports: ResolverPorts, seeds: readonly Seed[]) {
    this.#ports = ports;
    this.#addresses = new Map(seeds.map(seed => [seed, []]));
  }

  /** Resolves every name; resolves itself when each has been answered for. */
  async resolve(): Promise<void> {
    // A name server that is slow is not asked twice at a time.
    if (this.#isBusy) return;
    this.#isBusy = true;
    await Promise.all([...this.#addresses.keys()].map(seed => this.#resolve(seed)));
    this.#isBusy = false;
  }

  async #resolve(seed: Seed): Promise<void> {
    try {
      this.#addresses.set(seed, await this.#ports.resolve(seed));
      this.#failed.delete(seed);
      this.#ports.found([...this.#addresses.values()].flat());
    } catch (error) {
      // What it stood for before is kept: a name server that is down takes no peer away.
      if (!this.#failed.has(seed)) this.#ports.unresolved(seed.host, (error as Error).message);
      this.#failed.add(seed);
    }
  }

  /** Called every few seconds: resolves at once where somebody is missing, and now and then otherwise. */
  async again(isSomebodyMissing: boolean): Promise<void> {
    this.#rounds++;
    if (isSomebodyMissing || this.#failed.size > 0 || this.#rounds % CALM_ROUNDS === 0) await this.resolve();
  }
}
