/** When a node that starts has arrived in its cluster: it has looked for its peers, and has what they have. */
import { type Address, textOf } from "./address.ts";

export type ArrivalPorts = {
  /** Whether everything that the peers were heard to hold is here. */
  isSettled(): boolean;
};

export class Arrival {
  readonly #ports: ArrivalPorts;
  /** Addresses that neither answered nor refused yet, and the peers that are expected there, where that is known. */
  readonly #awaited = new Map<string, string | undefined>();
  readonly #arrived = Promise.withResolvers<void>();
  readonly #heard = Promise.withResolvers<void>();
  #isSeeking = true;
  isReady = false;

  constructor(ports: ArrivalPorts) {
    this.#ports = ports;
  }

  /** Resolves when everything is here that peers have, or will not come in time. */
  get ready(): Promise<void> {
    return this.#arrived.promise;
  }

  /**
   * Resolves when this node may write: it is ready, or the peers have been silent for too long. A restored database has to
   * hear first how far its stream went on without it.
   */
  get mayWrite(): Promise<void> {
    return this.#heard.promise;
  }

  /** Every peer that is named or remembered has been dialed, but for names that do not resolve. */
  sought(): void {
    this.#isSeeking = false;
    this.check();
  }

  /** `peer` is the one that is expected to answer there. */
  dialed(address: Address, peer: string | undefined): void {
    this.#awaited.set(textOf(address), peer);
  }

  /** It answered, refused, or is of no interest any more. A peer that answered need not do so at its other addresses. */
  heardFrom(address: Address, peer?: string): void {
    const before = this.#awaited.size;
    this.#awaited.delete(textOf(address));
    if (peer !== undefined)
      for (const [other, expected] of this.#awaited) if (expected === peer) this.#awaited.delete(other);
    if (this.#awaited.size < before) this.check();
  }

  /** Called whenever something came that could have been the last thing missing. */
  check(): void {
    if (!this.isReady && !this.#isSeeking && this.#awaited.size === 0 && this.#ports.isSettled()) this.#arrive();
  }

  /** Waits no longer for peers that nobody named, and returns their ids; writing begins whoever else is silent. */
  passOver(): string[] {
    const silent = new Set<string>();
    for (const [address, peer] of this.#awaited) {
      if (peer === undefined) continue;
      silent.add(peer);
      this.#awaited.delete(address);
    }
    this.#heard.resolve();
    this.check();
    return [...silent];
  }

  /** Whoever has not been found by now will be later: the node serves without. */
  giveUp(): void {
    this.#arrive();
  }

  #arrive(): void {
    this.isReady = true;
    this.#heard.resolve();
    this.#arrived.resolve();
  }
}
