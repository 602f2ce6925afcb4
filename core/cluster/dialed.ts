/** The addresses that this node dials: those that a person named, and those that peers told of. */
import { type Address, textOf } from "./address.ts";

/**
 * An address that was dialed, the peer whose it is said to be, the one that answered there, and how often it was greeted
 * until then. What a person named is kept while the name stands for it; `outdated` is what a name stood for before, and is
 * kept while its peer is up.
 */
export type Dial = {
  address: Address;
  named: boolean;
  outdated: boolean;
  of: string | undefined;
  peer: string | undefined;
  greeted: number;
};

export type DialEffect =
  /** `of` is the peer that is expected to answer there. */
  { do: "dial"; address: Address; of: string | undefined } | { do: "hangUp"; address: Address };

/** Addresses that peers told of: whoever is in can make nodes up. */
const MAX_LEARNED = 256;
/** An address that was greeted so often without an answer makes room for another. */
const GREETED_IN_VAIN = 3;

export class Dialed {
  readonly #dials = new Map<string, Dial>();
  readonly #own = new Set<string>();

  all(): Dial[] {
    return [...this.#dials.values()];
  }

  at(address: Address): Dial | undefined {
    return this.#dials.get(textOf(address));
  }

  /** Dials an address, unless it is dialed already, is this node's own, or was learned where there is no room. */
  dial(address: Address, of: string | undefined, named = false): DialEffect[] {
    const known = this.at(address);
    if (known) {
      known.named ||= named;
      known.outdated &&= !named;
      known.of ??= of;
    }
    if (known || this.#own.has(textOf(address))) return [];
    const effects = named ? [] : this.#makeRoom();
    if (!effects) return [];
    this.#dials.set(textOf(address), { address, named, outdated: false, of, peer: undefined, greeted: 0 });
    return [...effects, { do: "dial", address, of }];
  }

  /** Room for one more learned address, and whom to hang up for it; undefined where there is none. */
  #makeRoom(): DialEffect[] | undefined {
    const learned = this.all().filter(({ named }) => !named);
    if (learned.length < MAX_LEARNED) return [];
    const silent = learned.find(({ peer, greeted }) => peer === undefined && greeted >= GREETED_IN_VAIN);
    return silent && this.hangUp(silent.address);
  }

  hangUp(address: Address): DialEffect[] {
    this.#dials.delete(textOf(address));
    return [{ do: "hangUp", address }];
  }

  /** This node itself answered there: it is dialed no more. */
  isSelf(address: Address): DialEffect[] {
    this.#own.add(textOf(address));
    return this.hangUp(address);
  }

  /** Gives an address up, unless a person named it or another peer answers there. */
  abandon(address: Address, peer: string): DialEffect[] {
    const dial = this.at(address);
    if (dial?.peer !== peer) return [];
    // Somebody else may come to answer at an address that a person named.
    dial.peer = undefined;
    return dial.named ? [] : this.hangUp(address);
  }
}
