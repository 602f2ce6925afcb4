/** What plugins of this node did wrong, as its panel shows it: the newest of each plugin and hook, and only so many. */
import { dropFirst } from "../bounded.ts";
import type { NodeFigures } from "../plugin.ts";

export type Fault = {
  /** The name of its folder. */
  readonly plugin: string;
  /** What of it; a plugin that is off as a whole has none. */
  readonly hook?: string;
  readonly why: string;
  /** The place in its sources: `server.ts:12`. */
  readonly where?: string | undefined;
  /** It did nothing wrong but keep the node waiting, at most for so long. */
  readonly slowMs?: number;
};

const MAX_FAULTS = 64;
/** A machine that stalls now and then makes whatever runs at that moment look slow: not the first times. */
const SLOW_TIMES = 3;

export class Faults {
  readonly #faults = new Map<string, Fault>();
  /** How often something took too long, and for how long at most. */
  readonly #slow = new Map<string, { times: number; longestMs: number }>();

  /** Told after each change. */
  changed: () => void = () => {};

  add(fault: Fault): void {
    const key = `${fault.plugin}\n${fault.hook ?? ""}`;
    this.#faults.delete(key);
    this.#faults.set(key, fault);
    dropFirst(this.#faults, MAX_FAULTS);
    this.changed();
  }

  /** All of a plugin, which begins anew. */
  forget(plugin: string): void {
    for (const [key, fault] of this.#faults) if (fault.plugin === plugin) this.#faults.delete(key);
    for (const key of this.#slow.keys()) if (key.startsWith(`${plugin}\n`)) this.#slow.delete(key);
    this.changed();
  }

  /** A call took too long, of a hook that may have done so before. */
  slow({ plugin, hook, tookMs }: { plugin: string; hook: string; tookMs: number }): void {
    const key = `${plugin}\n${hook}`;
    const known = this.#slow.get(key) ?? { times: 0, longestMs: 0 };
    const slow = { times: known.times + 1, longestMs: Math.max(known.longestMs, tookMs) };
    this.#slow.delete(key);
    this.#slow.set(key, slow);
    dropFirst(this.#slow, MAX_FAULTS);
    if (slow.times < SLOW_TIMES || (slow.times > SLOW_TIMES && slow.longestMs === known.longestMs)) return;
    const why = `${hook} kept the node waiting, for ${slow.longestMs} ms at most`;
    this.add({ plugin, hook: `${hook} slow`, why, slowMs: slow.longestMs });
  }

  /** Newest last. */
  list(): NodeFigures["faults"] {
    return [...this.#faults.values()].map(({ plugin, why, where, slowMs }) => ({
      plugin,
      why,
      ...(where !== undefined && { where }),
      ...(slowMs !== undefined && { slowMs }),
    }));
  }
}
