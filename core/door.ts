/** A door through which a crowd comes a few at a time, so that what goes on inside goes on. */
import { Reject } from "./errors.ts";

export type DoorOptions = {
  /** How many pass in one turn of the loop. */
  perTurn: number;
  maxWaiting: number;
  /** When to come back who finds too many waiting. */
  retryAfterMs: number;
};

export class Door {
  readonly #options: DoorOptions;
  readonly #waiting: (() => void)[] = [];
  #passed = 0;
  #turning: NodeJS.Immediate | undefined;

  constructor(options: DoorOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Resolves when it is one's turn, in the order of asking. Throws `Reject` where too many wait. */
  pass(): Promise<void> {
    const { perTurn, maxWaiting, retryAfterMs } = this.#options;
    this.#turning ??= setImmediate(() => this.#turn());
    if (this.#passed < perTurn) {
      this.#passed++;
      return Promise.resolve();
    }
    if (this.#waiting.length >= maxWaiting) throw new Reject("overloaded", undefined, { retryAfterMs });
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  #turn(): void {
    this.#turning = undefined;
    const next = this.#waiting.splice(0, this.#options.perTurn);
    this.#passed = next.length;
    if (next.length > 0) this.#turning = setImmediate(() => this.#turn());
    for (const pass of next) pass();
  }
}
