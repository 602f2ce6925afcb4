/**
 * The count of deliveries: every receiver has to get every message of its room exactly once, each author's in order. A
 * message's text begins with `~author.number~`.
 */

const MARK = 0x7e;
const DOT = 0x2e;
const ZERO = 0x30;
/** Runs of bytes that are kept beside their meaning: receivers of a room get the same. */
const KEPT_RUNS = 4;
/** What has not come after that is lost. */
const SILENT_SECONDS = 10;

export type Faults = { lost: number; doubled: number; disordered: number; stray: number };

/** The numbers in a run of bytes, in their order. */
export type Numbers = { authors: number[]; numbers: number[] };

export class Tally {
  /** Messages that a receiver got, of all receivers. */
  deliveries = 0;
  /** Milliseconds from sending to each delivery, while `isTimed`. */
  readonly latencies: number[] = [];
  isTimed = false;
  readonly authors: Author[] = [];
  readonly #rooms: Hearing[] = [];
  #wanted = Number.POSITIVE_INFINITY;
  #reached: () => void = () => {};

  room(): Hearing {
    const room = new Hearing(this);
    this.#rooms.push(room);
    return room;
  }

  /** Resolves when there were that many deliveries; also when none came for `SILENT_SECONDS`. */
  async until(deliveries: number): Promise<void> {
    if (this.deliveries >= deliveries) return;
    let before = this.deliveries;
    let silent = 0;
    await new Promise<void>(resolve => {
      const watch = setInterval(() => {
        silent = this.deliveries === before ? silent + 1 : 0;
        before = this.deliveries;
        if (silent === SILENT_SECONDS) done();
      }, 1_000);
      const done = () => {
        clearInterval(watch);
        this.#wanted = Number.POSITIVE_INFINITY;
        resolve();
      };
      this.#wanted = deliveries;
      this.#reached = done;
    });
  }

  noticed(): void {
    if (this.deliveries >= this.#wanted) this.#reached();
  }

  /** Of everything up to now: to be asked when nothing is under way. */
  faults(): Faults {
    const faults = { lost: 0, doubled: 0, disordered: 0, stray: 0 };
    for (const room of this.#rooms) room.count(faults);
    return faults;
  }
}

/** Who numbers messages, in one room. */
export type Author = {
  readonly index: number;
  readonly slot: number;
  readonly room: Hearing;
  /** The last number that was given away. */
  last: number;
  /** Numbers that were refused: nobody may get them. */
  readonly refused: Set<number>;
  /** When each number was sent. */
  readonly sentAt: number[];
};

/** A room as its receivers hear it. */
export class Hearing {
  readonly tally: Tally;
  readonly receivers: Receiver[] = [];
  readonly #authors: Author[] = [];
  readonly #runs: { bytes: Buffer; heard: Numbers }[] = [];
  #oldest = 0;
  stray = 0;

  constructor(tally: Tally) {
    this.tally = tally;
  }

  author(): Author {
    const { authors } = this.tally;
    const author = {
      index: authors.length,
      slot: this.#authors.length,
      room: this,
      last: 0,
      refused: new Set<number>(),
      sentAt: [],
    };
    authors.push(author);
    this.#authors.push(author);
    return author;
  }

  /** Who hears what is said from now on. */
  receiver(): Receiver {
    const since = this.#authors.map(({ last }) => last);
    const receiver = { since, last: [...since], missing: new Map(), doubled: 0, disordered: 0 };
    this.receivers.push(receiver);
    return receiver;
  }

  /** How many bytes at `at` are what another receiver got before, if any; they are counted for this one then. */
  repeat(receiver: Receiver, bytes: Buffer, at: number, end: number): number {
    for (const run of this.#runs) {
      const { length } = run.bytes;
      if (length > end - at || run.bytes.compare(bytes, at, at + length) !== 0) continue;
      this.heard(receiver, run.heard);
      return length;
    }
    return 0;
  }

  /** Keeps what these bytes mean. */
  keep(bytes: Buffer, heard: Numbers): void {
    this.#runs[this.#oldest] = { bytes: Buffer.from(bytes), heard };
    this.#oldest = (this.#oldest + 1) % KEPT_RUNS;
  }

  heard(receiver: Receiver, { authors, numbers }: Numbers): void {
    const { tally } = this;
    const now = tally.isTimed ? performance.now() : 0;
    for (let index = 0; index < authors.length; index++) {
      const author = tally.authors[authors[index] as number];
      const number = numbers[index] as number;
      if (author?.room !== this || number > author.last || number < 1) {
        this.stray++;
        continue;
      }
      const last = receiver.last[author.slot] ?? 0;
      if (number === last + 1) receiver.last[author.slot] = number;
      else misheard(receiver, author, number, last);
      if (tally.isTimed) tally.latencies.push(now - (author.sentAt[number] as number));
    }
    tally.deliveries += authors.length;
  }

  count(faults: Faults): void {
    faults.stray += this.stray;
    for (const { since, last, missing, doubled, disordered } of this.receivers) {
      faults.doubled += doubled;
      faults.disordered += disordered;
      for (const { slot, last: sent, refused } of this.#authors) {
        const heard = last[slot] ?? 0;
        const absent = new Set(missing.get(slot));
        for (let number = heard + 1; number <= sent; number++) absent.add(number);
        const begin = since[slot] ?? 0;
        for (const number of refused) if (number > begin && !absent.delete(number)) faults.stray++;
        faults.lost += absent.size;
      }
    }
  }
}

export type Receiver = {
  /** The last numbers before it came, by the author's slot in the room. */
  readonly since: readonly number[];
  /** The last that it got, likewise. */
  readonly last: number[];
  /** Those that were passed over. */
  readonly missing: Map<number, Set<number>>;
  doubled: number;
  disordered: number;
};

function misheard(receiver: Receiver, { slot }: Author, number: number, last: number): void {
  const missing = receiver.missing.get(slot) ?? new Set<number>();
  receiver.missing.set(slot, missing);
  if (number <= last) {
    if (missing.delete(number)) receiver.disordered++;
    else receiver.doubled++;
    return;
  }
  for (let passed = last + 1; passed < number; passed++) missing.add(passed);
  receiver.last[slot] = number;
}

/** Adds the numbers of all messages between `at` and `end`. */
export function scan(bytes: Buffer, at: number, end: number, { authors, numbers }: Numbers): void {
  const text = bytes.subarray(at, end);
  for (let next = text.indexOf(MARK); next !== -1; next = text.indexOf(MARK, next + 1)) {
    let author = 0;
    let digit = text[++next] as number;
    for (; digit !== DOT && digit !== undefined; digit = text[++next] as number) author = author * 10 + digit - ZERO;
    let number = 0;
    digit = text[++next] as number;
    for (; digit !== MARK && digit !== undefined; digit = text[++next] as number) number = number * 10 + digit - ZERO;
    authors.push(author);
    numbers.push(number);
  }
}
