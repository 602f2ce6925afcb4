/** Branches of streams that were given up: nothing more of them is taken, and what is here of them is cut off. */
import type { SQLInputValue } from "node:sqlite";
import { type Head, hex } from "../chain.ts";
import type { Envelope } from "../envelope.ts";
import type { Fork } from "../forks.ts";
import type { Stored } from "./reads.ts";

type Branch = Pick<Fork, "origin" | "seq" | "chain">;

export type BranchesPorts = {
  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined;
  stored(where: string, ...values: SQLInputValue[]): Stored[];
  run(sql: string, ...values: SQLInputValue[]): void;
  /** Keeps what was given up for the next start. */
  keep(branches: readonly Branch[]): void;
  /** Writes an envelope of a branch again, in this node's own stream; undefined where that is refused. */
  rewrite(envelope: Envelope, now: number): Stored | undefined;
  /** This node writes no more to a stream. */
  abandon(origin: string): void;
  /** A stream ends there from now on; undefined where nothing is left of it. */
  ended(origin: string, head: (Head & { hlc: number }) | undefined): void;
};

const SAVED_AT_ONCE = 500;

export class Branches {
  readonly #ports: BranchesPorts;
  /** By stream. */
  #dead = new Map<string, Branch[]>();
  #deadBefore = this.#dead;
  /** What the transaction under way has learned to be given up, written again, and cut. */
  #learned: Fork[] = [];
  saved: Stored[] = [];
  cut = new Set<string>();

  /** `dead` are those that were kept. */
  constructor(ports: BranchesPorts, dead: readonly Branch[]) {
    this.#ports = ports;
    for (const branch of dead) this.#bury(branch);
  }

  /** A transaction begins. */
  begin(): void {
    this.#deadBefore = new Map(this.#dead);
    [this.#learned, this.saved, this.cut] = [[], [], new Set()];
  }

  /** It was rolled back. */
  undo(): void {
    this.#dead = this.#deadBefore;
  }

  /** Whether a branch that was given up begins with what has this running hash. */
  isDead(origin: string, seq: number, chain: string): boolean {
    return this.#dead.get(origin)?.some(branch => branch.seq === seq && branch.chain === chain) === true;
  }

  /** A branch was given up, by a fact that is being stored: it is cut off when that is done. */
  learn(fork: Fork): void {
    this.#learned.push(fork);
    this.#bury(fork);
    this.#ports.keep([...this.#dead.values()].flat());
  }

  #bury({ origin, seq, chain }: Branch): void {
    const known = this.#dead.get(origin) ?? [];
    if (!known.some(branch => branch.chain === chain)) this.#dead.set(origin, [...known, { origin, seq, chain }]);
  }

  /** Cuts off what the transaction has learned to be given up. */
  cutOff(now: number): void {
    for (const fork of this.#learned) this.giveUp(fork, now);
  }

  /** Cuts a branch off where it is the one that is here; what stands nowhere else is written again in this node's own stream. */
  giveUp({ origin, seq, chain }: Branch, now: number): void {
    const { stored, run, abandon, ended } = this.#ports;
    if (this.#chain(origin, seq) !== chain) return;
    abandon(origin);
    for (let after = seq - 1, more = true; more; ) {
      const page = stored("WHERE origin = ? AND seq > ? ORDER BY seq LIMIT ?", origin, after, SAVED_AT_ONCE);
      more = page.length === SAVED_AT_ONCE;
      after = page.at(-1)?.seq ?? after;
      for (const envelope of page) if (!this.#isElsewhere(envelope, origin, seq)) this.#save(envelope, now);
    }
    run("DELETE FROM log WHERE origin = ? AND seq >= ?", origin, seq);
    this.cut.add(origin);
    ended(origin, this.#head(origin, seq - 1));
  }

  #chain(origin: string, seq: number): string | undefined {
    const row = this.#ports.get("SELECT chain FROM log WHERE origin = ? AND seq = ?", origin, seq);
    return row && hex(row.chain as Uint8Array);
  }

  #head(origin: string, seq: number): (Head & { hlc: number }) | undefined {
    const chain = this.#chain(origin, seq);
    if (chain === undefined) return undefined;
    const row = this.#ports.get("SELECT max(hlc) AS hlc FROM log WHERE origin = ?", origin);
    return { seq, chain, hlc: row?.hlc as number };
  }

  /** Whether another copy stands at its place in the order, or before: a later one would not hold the place. */
  #isElsewhere({ id, author, hlc }: Envelope, origin: string, seq: number): boolean {
    const sql = "SELECT 1 FROM log WHERE id = ? AND author = ? AND hlc <= ? AND NOT (origin = ? AND seq >= ?)";
    return this.#ports.get(sql, id, author, hlc, origin, seq) !== undefined;
  }

  /** Same id, author and time, so that it keeps its place among the others. */
  #save({ pos: _, ...envelope }: Stored, now: number): void {
    const saved = this.#ports.rewrite(envelope, now);
    if (saved) this.saved.push(saved);
  }
}
