/**
 * What a peer wrote is told to people here before it is committed here: where it came from it is on disk already. Only what
 * comes next in its stream, so that nobody is given a hole, and once: its commit here tells it no more.
 */
import type { Envelope } from "../envelope.ts";

export type EarlyPorts = {
  /** Whether nothing but its commit is wanting. */
  mayTell(envelope: Envelope): boolean;
  tell(envelopes: readonly Envelope[]): void;
  /** What was told of these rooms is not going to be in the log as it was told. */
  takeBack(rooms: readonly string[]): void;
};

export class Early {
  readonly #ports: EarlyPorts;
  /** By stream: told and not committed yet, without gaps. */
  readonly #told = new Map<string, Envelope[]>();
  /** Streams of which the log did not take what was told: nothing more is, until it takes something. */
  readonly #doubted = new Set<string>();

  constructor(ports: EarlyPorts) {
    this.#ports = ports;
  }

  /** These were handed to the log, in their order; their stream is committed up to `seq`. */
  handed(origin: string, seq: number, envelopes: readonly Envelope[]): void {
    if (this.#doubted.has(origin)) return;
    const told = this.#told.get(origin) ?? [];
    let last = told.at(-1)?.seq ?? seq;
    const next: Envelope[] = [];
    for (const envelope of envelopes) {
      if (!this.follows(envelope, last) || !this.#ports.mayTell(envelope)) break;
      next.push(envelope);
      last = envelope.seq;
    }
    if (next.length === 0) return;
    told.push(...next);
    this.#told.set(origin, told);
    this.#ports.tell(next);
  }

  /** Whether everything before it was told, or committed. */
  follows({ seq }: Envelope, last: number): boolean {
    return seq === last + 1;
  }

  /** The stream is committed up to `seq`; where it was `cut`, what was told of it since is on no branch of it any more. */
  committed(origin: string, seq: number, cut: boolean): void {
    this.#doubted.delete(origin);
    const told = this.#told.get(origin);
    if (!told) return;
    const [first] = told;
    if (cut) this.failed(origin);
    else if (first && told.splice(0, Math.max(0, seq + 1 - first.seq)) && told.length === 0) this.#told.delete(origin);
  }

  /** The log did not take what was handed to it of a stream. */
  failed(origin: string): void {
    const told = this.#told.get(origin);
    this.#told.delete(origin);
    if (!told) return;
    this.#doubted.add(origin);
    this.#ports.takeBack([...new Set(told.map(({ room }) => room))]);
  }

  get size(): number {
    return [...this.#told.values()].reduce((size, told) => size + told.length, 0);
  }

  /** Whether it was told, and is not committed yet. */
  has({ origin, seq }: Pick<Envelope, "origin" | "seq">): boolean {
    const told = this.#told.get(origin);
    const [first] = told ?? [];
    return first !== undefined && seq >= first.seq && seq < first.seq + (told as Envelope[]).length;
  }

  /** What was told of a room and is not committed yet: whoever joins the room now finds it neither in the log nor live. */
  of(room: string): Envelope[] {
    return [...this.#told.values()].flatMap(told => told.filter(envelope => envelope.room === room));
  }

  /** A message that was told and is not committed yet. */
  find(id: string, author?: string): Envelope | undefined {
    const isIt = (envelope: Envelope) => envelope.id === id && (author === undefined || envelope.author === author);
    for (const told of this.#told.values()) {
      const found = told.find(isIt);
      if (found) return found;
    }
    return undefined;
  }
}
