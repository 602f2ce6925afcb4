/** What plugins of this node did wrong, as its panel shows it: the newest of each plugin and hook, and only so many. */
import { dropFirst } from "../bounded.ts";

export type Fault = {
  /** The name of its folder. */
  readonly plugin: string;
  /** What of it; a plugin that is off as a whole has none. */
  readonly hook?: string;
  readonly why: string;
  /** The place in its sources: `server.ts:12`. */
  readonly where?: string | undefined;
};

const MAX_FAULTS = 64;

export class Faults {
  readonly #faults = new Map<string, Fault>();
  /** Longest time of what took too long. */
  readonly #longest = new Map<string, number>();

  add(fault: Fault): void {
    const key = `${fault.plugin}\n${fault.hook ?? ""}`;
    this.#faults.delete(key);
    this.#faults.set(key, fault);
    dropFirst(this.#faults, MAX_FAULTS);
  }

  /** Something took long; what took longest stays. */
  slow({ tookMs, ...fault }: Fault & { readonly tookMs: number }): void {
    const key = `${fault.plugin}\n${fault.hook} slow`;
    const longest = this.#longest.get(key);
    if (longest !== undefined && longest >= tookMs && this.#faults.has(key)) return;
    this.#longest.set(key, tookMs);
    dropFirst(this.#longest, MAX_FAULTS);
    this.add({ ...fault, hook: `${fault.hook} slow` });
  }

  /** Newest last. */
  list(): { plugin: string; why: string; where?: string }[] {
    return [...this.#faults.values()].map(({ plugin, why, where }) => ({
      plugin,
      why,
      ...(where !== undefined && { where }),
    }));
  }
}
