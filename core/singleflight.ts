/** What many ask for at once is found out once: after Go's singleflight, and a moment longer. */
import { dropFirst } from "./bounded.ts";
import type { Time } from "./time.ts";

export class SingleFlight<Result> {
  readonly #time: Pick<Time, "after">;
  readonly #keepMs: number;
  readonly #max: number;
  readonly #flights = new Map<string, Promise<Result>>();

  /** Results are kept for `keepMs` after the call that found them, `max` of them. */
  constructor(time: Pick<Time, "after">, { keepMs, max }: { keepMs: number; max: number }) {
    this.#time = time;
    this.#keepMs = keepMs;
    this.#max = max;
  }

  /** What `find` resolves with, called now or for whoever asked under that key before; what it rejects with is not kept. */
  of(key: string, find: () => Promise<Result>): Promise<Result> {
    const known = this.#flights.get(key);
    if (known) return known;
    const flight = find();
    this.#flights.set(key, flight);
    dropFirst(this.#flights, this.#max);
    const forget = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.then(() => this.#time.after(this.#keepMs, forget), forget);
    return flight;
  }
}
