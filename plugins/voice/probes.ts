/**
 * Looks into files that anybody may have made. A few bytes bring what reads them to fill the memory, or to never end, and
 * a thread that runs out of memory takes its process along: hence processes of their own, which may end at any time.
 */
import { Reject, type StoredBlob } from "../../core/plugin.ts";
import { type Contents, type Finding, Prober } from "./prober.ts";

/** An honest file of 15 minutes takes some 50 ms, and more on a small machine. */
const QUICK_CPU_MS = 100;
const MAX_CPU_MS = 2_000;
const MAX_WAITING = 64;
/** Files never change, so neither does what was found in them. */
const MAX_REMEMBERED = 1_000;
/** Something else may have ended the process, but not each time. */
const MAX_DEATHS = 3;
/** How long somebody waits whose file took all the time or memory that one may take, or after whose the process ended. */
const AFTER_EXHAUSTION_MS = 10 * 60_000;
const AFTER_DEATH_MS = 5_000;

export class Probes {
  readonly #quick = new Prober(QUICK_CPU_MS);
  /** Takes those that are not quick, so that nobody waits for them but who sent them. */
  readonly #patient = new Prober(MAX_CPU_MS);
  readonly #found = new Map<string, Promise<Contents | undefined>>();
  readonly #deaths = new Map<string, number>();
  /** The people whose files are looked into, or wait for it. */
  readonly #busy = new Set<string>();
  /** Until when people have to wait. */
  readonly #paused = new Map<string, number>();

  /**
   * What is in the file; undefined where it is no audio, or damaged. Throws or rejects with `Reject` where that cannot be
   * told now, or where too many others wait.
   */
  look(file: StoredBlob, person: string): Promise<Contents | undefined> {
    const known = this.#found.get(file.hash);
    if (known) return known;
    this.#assertMayAsk(person);
    this.#busy.add(person);
    const looking = this.#ask(file, person);
    remember(this.#found, file.hash, looking);
    // That it could not be read says nothing about the file.
    looking.catch(() => this.#found.delete(file.hash));
    return looking.finally(() => this.#busy.delete(person));
  }

  #assertMayAsk(person: string): void {
    if (this.#busy.has(person)) throw new Reject("rate-limited", "one recording at a time", { retryAfterMs: 1_000 });
    const retryAfterMs = Math.ceil((this.#paused.get(person) ?? 0) - performance.now());
    if (retryAfterMs > 0)
      throw new Reject("rate-limited", "the last recording took too long to read", { retryAfterMs });
    if (this.#busy.size >= MAX_WAITING) throw new Reject("overloaded", undefined, { retryAfterMs: 1_000 });
  }

  async #ask(file: StoredBlob, person: string): Promise<Contents | undefined> {
    let finding = await this.#quick.look(file);
    if (finding?.exhausted) finding = await this.#patient.look(file);
    return finding && !finding.exhausted ? finding.contents : this.#blame(file, person, finding);
  }

  /** Throws where the file is not to blame, or not yet. */
  #blame({ hash }: StoredBlob, person: string, exhausted: Finding | undefined): undefined {
    const pauseMs = exhausted ? AFTER_EXHAUSTION_MS : AFTER_DEATH_MS;
    remember(this.#paused, person, performance.now() + pauseMs);
    if (exhausted) return;
    const deaths = (this.#deaths.get(hash) ?? 0) + 1;
    remember(this.#deaths, hash, deaths);
    if (deaths < MAX_DEATHS)
      throw new Reject("overloaded", "the recording could not be looked into", { retryAfterMs: pauseMs });
  }
}

/** Sets it, and forgets the oldest of too many. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_REMEMBERED && oldest !== undefined) map.delete(oldest);
}
