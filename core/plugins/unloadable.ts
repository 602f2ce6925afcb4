/** Why a plugin cannot be loaded, where that is, and what helps. */

import { whyOf } from "./calls/thrown.ts";
import { placeOf } from "./sources.ts";

type About = {
  /** In the plugin's own sources: `server.ts:12`. */
  where?: string | undefined;
  /** How to mend it, as the end of a sentence. */
  mend?: string;
  cause?: unknown;
};

export class Unloadable extends Error {
  readonly where: string | undefined;
  readonly mend: string | undefined;

  constructor(why: string, { where, mend, cause }: About = {}) {
    super(why, { cause });
    this.where = where;
    this.mend = mend;
  }
}

/** Of what a plugin threw while something was done with it. */
export function unloadableBy(error: unknown, done: string, where: string): Unloadable {
  return new Unloadable(`threw when it was ${done}: ${whyOf(error)}`, {
    where: placeOf(error) ?? where,
    cause: error,
  });
}
