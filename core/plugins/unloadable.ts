/** Why a plugin cannot be loaded, where that is, and what helps. */
import { placeOf } from "./places.ts";

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
  return new Unloadable(`threw when it was ${done}: ${messageOf(error)}`, {
    where: placeOf(error) ?? where,
    cause: error,
  });
}

/** One line, of whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return oneLine(String(error instanceof Error ? error.message : error));
  } catch {
    return "something that cannot be shown";
  }
}

export function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").slice(0, 500);
}
