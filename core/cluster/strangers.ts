/**
 * The addresses of those who connected to the bus and were not let in. ZeroMQ asks its doorkeeper only about peers that
 * have got through the first half of the handshake, and its events on the others bear no address; the system may know.
 */
import { plainAddress } from "../addresses.ts";
import { type Connection, readConnections } from "../connections.ts";

/** The list is read no more often, but for a few times at once: it is as long as there are clients. */
const LOOK_EVERY_MS = 1_000;
const LOOKS_AT_ONCE = 5;

/** Called with an address, or with undefined where it could not be found. */
export type Refused = (address: string | undefined) => void;

export class Strangers {
  readonly #refused: Refused;
  readonly #read: () => Connection[];
  #ports: ReadonlySet<number> = new Set();
  /** Connections that nobody has let in yet: their address by port and remote end. */
  readonly #waiting = new Map<string, string>();
  /** Connections that are explained, as long as they are listed. */
  readonly #done = new Set<string>();
  /** Who was let in since the last look: how often, by address. */
  readonly #admitted = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #looks = LOOKS_AT_ONCE;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #namedAt = Number.NEGATIVE_INFINITY;
  /** A handshake has failed, and whose it was is not known yet. */
  #isUnexplained = false;
  #closed = false;

  constructor(refused: Refused, read: () => Connection[] = readConnections) {
    this.#refused = refused;
    this.#read = read;
  }

  /** Watches these ports of this machine from now on; what is over on them by now is not counted. */
  watch(ports: readonly number[]): void {
    this.#ports = new Set(ports);
    this.#ended();
  }

  /** The doorkeeper has let somebody in. */
  admitted(address: string): void {
    const plain = plainAddress(address);
    this.#admitted.set(plain, (this.#admitted.get(plain) ?? 0) + 1);
  }

  /** The doorkeeper has let somebody not in. */
  refused(address: string): void {
    this.#namedAt = performance.now();
    this.#refused(plainAddress(address));
  }

  /** A connection began or ended; `hasFailed` says that a handshake did. */
  changed(hasFailed = false): void {
    this.#isUnexplained ||= hasFailed;
    if (this.#timer || this.#closed) return;
    const earned = (performance.now() - this.#lookedAt) / LOOK_EVERY_MS;
    this.#looks = Math.min(LOOKS_AT_ONCE, this.#looks + earned);
    // At once where it can be: whoever is turned away may be gone from the list in a moment.
    if (this.#looks >= 1) this.#look();
    else this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    this.#looks = Math.max(0, this.#looks - 1);
    this.#lookedAt = performance.now();
    for (const address of this.#ended()) this.refused(address);
    // ZeroMQ may tell of a failure after its address was found.
    if (this.#isUnexplained && this.#lookedAt - this.#namedAt > 2 * LOOK_EVERY_MS) this.#refused(undefined);
    this.#isUnexplained = false;
  }

  /** The addresses whose connections have ended since the last look, or are ending, without having been let in. */
  #ended(): Set<string> {
    const listed = new Map<string, Connection>();
    for (const connection of this.#read())
      if (this.#ports.has(connection.port)) listed.set(`${connection.port} ${connection.remote}`, connection);
    for (const key of this.#done) if (!listed.has(key)) this.#done.delete(key);
    for (const [key, { address }] of listed) if (!this.#done.has(key)) this.#waiting.set(key, address);

    const addresses = new Set<string>();
    for (const [key, address] of this.#waiting) {
      const admissions = this.#admitted.get(address) ?? 0;
      const isAdmitted = admissions > 0;
      if (!isAdmitted && listed.get(key)?.isOpen) continue;
      if (isAdmitted) this.#admitted.set(address, admissions - 1);
      else addresses.add(address);
      this.#waiting.delete(key);
      if (listed.has(key)) this.#done.add(key);
    }
    this.#admitted.clear();
    return addresses;
  }
}
