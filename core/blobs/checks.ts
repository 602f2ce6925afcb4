/** What is known of files: that they are whole, or damaged. It holds for the file that was read, and for no other of its name. */
import type { Stats } from "node:fs";
import { dropFirst } from "../bounded.ts";
import { Gate } from "../gate.ts";

/** Right bytes may be put in a file's place, also by hand. */
type Seen = Pick<Stats, "ino" | "size" | "mtimeMs">;

/** Whole files remembered: those that were asked for last. */
const MAX_WHOLE = 16_384;
/** Files that somebody waits for are read so many at a time, whoever asks for how many. */
const MAX_AT_ONCE = 2;
/** More files than clients and peers together can ask for at a time. */
const MAX_WAITING = 4_096;

export class Checks {
  readonly #whole = new Map<string, string>();
  /** All there are: each is a file on the disk. */
  readonly #damaged = new Map<string, string>();
  readonly #underWay = new Map<string, Promise<boolean>>();
  readonly #gate = new Gate({ atOnce: MAX_AT_ONCE, waiting: MAX_WAITING });

  isWhole(hash: string, file: Seen): boolean {
    if (this.#whole.get(hash) !== stampOf(file)) return false;
    this.#remember(hash, file);
    return true;
  }

  isDamaged(hash: string, file: Seen): boolean {
    return this.#damaged.get(hash) === stampOf(file);
  }

  found(hash: string, file: Seen, isWhole: boolean): void {
    this.forget(hash);
    if (isWhole) this.#remember(hash, file);
    else this.#damaged.set(hash, stampOf(file));
  }

  forget(hash: string): void {
    this.#whole.delete(hash);
    this.#damaged.delete(hash);
  }

  #remember(hash: string, file: Seen): void {
    this.#whole.delete(hash);
    this.#whole.set(hash, stampOf(file));
    dropFirst(this.#whole, MAX_WHOLE);
  }

  /** What `check` says of a file when its turn comes: once for all who ask meanwhile. */
  share(hash: string, check: () => Promise<boolean>): Promise<boolean> {
    const known = this.#underWay.get(hash);
    if (known) return known;
    const checking = this.#gate.pass(check).finally(() => this.#underWay.delete(hash));
    this.#underWay.set(hash, checking);
    return checking;
  }
}

const stampOf = ({ ino, size, mtimeMs }: Seen): string => `${ino} ${size} ${mtimeMs}`;
