/** What is said of peers and strangers: none of them may fill the disk with words. Has no clock of its own. */

/** One cause is said again after that. */
const AGAIN_MS = 60_000;
/** Causes of one subject that are said within that time: strangers can come from any number of addresses. */
const MAX_CAUSES = 20;

export type Warn = (details: object, message: string) => void;

type Subject = { saidAt: Map<string, number>; unsaid: number };

export class Warnings {
  readonly #warn: Warn;
  readonly #now: () => number;
  readonly #subjects = new Map<string, Subject>();

  /** `now` in milliseconds; only differences count. */
  constructor(warn: Warn, now: () => number) {
    this.#warn = warn;
    this.#now = now;
  }

  /**
   * One line a minute for each cause, and for 20 causes of a subject; the next line says how many were left out. Subjects
   * are this program's own words, causes may be anybody's.
   */
  say(subject: string, cause: string, details: object, message: string): void {
    const now = this.#now();
    const known = this.#subjects.get(subject) ?? { saidAt: new Map<string, number>(), unsaid: 0 };
    this.#subjects.set(subject, known);
    for (const [said, at] of known.saidAt) if (now - at >= AGAIN_MS) known.saidAt.delete(said);
    if (known.saidAt.has(cause)) return;
    if (known.saidAt.size >= MAX_CAUSES) {
      known.unsaid++;
      return;
    }
    known.saidAt.set(cause, now);
    this.#warn(known.unsaid > 0 ? { ...details, unsaid: known.unsaid } : details, message);
    known.unsaid = 0;
  }
}
