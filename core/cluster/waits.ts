/** The people who wait for blobs that are not here: how many may, for how long, and for what in vain. Has no clock of its own. */

import { dropFirst } from "../bounded.ts";
import { Reject } from "../errors.ts";
import { Places } from "../places.ts";
import type { Wants } from "./wants.ts";

/** Requests of one person that wait: a browser has six at a time under way. */
const MAX_OF_PERSON = 16;
/** Whoever asks for a blob that is not here waits for it at most so long. */
const WAIT_MS = 30_000;
/** That no peer has a blob holds for so long, for whoever asks, unless a peer says otherwise. */
const NOWHERE_MS = 3_000;
const MAX_NOWHERE = 1_024;
const ASK_AGAIN_MS = 1_000;

export class Waits {
  readonly #wants: Wants;
  readonly #places = new Places(MAX_OF_PERSON, "files");
  /** Until when that holds of these. */
  readonly #nowhere = new Map<string, number>();

  constructor(wants: Wants) {
    this.#wants = wants;
  }

  /** Resolves and rejects as `Fetching.wait` does. */
  async enter(hash: string, whom: string, now: number): Promise<boolean> {
    if ((this.#nowhere.get(hash) ?? 0) > now) return false;
    const leave = this.#places.enter(whom);
    try {
      return await new Promise((settle, fail) => {
        if (!this.#wants.await(hash, { whom, until: now + WAIT_MS, settle, fail }))
          fail(new Reject("overloaded", undefined, { retryAfterMs: ASK_AGAIN_MS }));
      });
    } finally {
      leave();
    }
  }

  /** No peer has it, as all have said. */
  inVain(hash: string, now: number): void {
    this.#nowhere.set(hash, now + NOWHERE_MS);
    dropFirst(this.#nowhere, MAX_NOWHERE);
  }

  /** A peer has these, or may have any where none are given. */
  mayCome(hashes?: readonly string[]): void {
    if (hashes) for (const hash of hashes) this.#nowhere.delete(hash);
    else this.#nowhere.clear();
  }
}
