/** The core's own facts: log envelopes that every node folds into the same people and rooms. */
import { v7 as uuid } from "uuid";
import * as v from "valibot";
import type { Clock } from "./clock.ts";
import { type Draft, decode, type Envelope, encode, FACT, FACTS, keyOf } from "./envelope.ts";
import { Reject } from "./errors.ts";
import { FORK, forkBody } from "./forks.ts";
import type { Log } from "./log/log.ts";

const hash = v.pipe(v.string(), v.length(64));
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(512));

const BODIES = {
  /** The author claims a name; `token` is the SHA-256 of the session's token. */
  "chat:name": v.object({ name, token: hash }),
  /** The author invites a second device, until a time in milliseconds since 1970; `code` is a SHA-256. */
  "chat:link": v.object({ code: hash, until: v.number() }),
  /** A device took such an invitation up and has a session of its own. */
  "chat:device": v.object({ code: hash, token: hash }),
  "chat:logout": v.object({ token: hash }),
  "chat:room": v.object({ name }),
  /** A node gives up a branch of a stream. */
  [FORK]: forkBody,
  /** An operator removed a node for good. */
  "chat:forget": v.object({ node: v.pipe(v.string(), v.minLength(1), v.maxLength(64)) }),
} as const;

type Bodies = { [Type in keyof typeof BODIES]: v.InferOutput<(typeof BODIES)[Type]> };
/** A fact as the folds read it. */
export type Fact = {
  [Type in keyof Bodies]: {
    type: Type;
    key: string;
    hlc: number;
    author: string;
    authorName: string;
    body: Bodies[Type];
  };
}[keyof Bodies];

export type Author = { id: string; name: string };

export function draftFact<Type extends keyof Bodies>(
  type: Type,
  author: Author,
  body: Bodies[Type],
  clock: Clock,
): Draft {
  return {
    room: FACTS,
    hlc: clock.tick(),
    type,
    version: 1,
    role: FACT,
    author: author.id,
    authorName: author.name,
    id: uuid(),
    ref: null,
    alt: null,
    body: encode(body),
    blobs: [],
    extra: null,
  };
}

/** Commits a fact. Rejects with `Reject` where that cannot be stored. */
export async function writeFact<Type extends keyof Bodies>(
  type: Type,
  author: Author,
  body: Bodies[Type],
  { log, clock }: { log: Pick<Log, "append">; clock: Clock },
): Promise<void> {
  const [outcome] = await log.append([draftFact(type, author, body, clock)]);
  if (outcome?.status === "refused") throw new Reject(outcome.code, outcome.message);
}

/** The fact in an envelope; undefined where this version does not understand it. */
export function readFact(envelope: Envelope): Fact | undefined {
  const { type, hlc, author, authorName, body } = envelope;
  const schema = Object.hasOwn(BODIES, type) ? BODIES[type as keyof Bodies] : undefined;
  if (!schema || body === null) return undefined;
  try {
    const parsed = v.safeParse(schema, decode(body));
    if (!parsed.success) return undefined;
    return { type, key: keyOf(envelope), hlc, author, authorName, body: parsed.output } as Fact;
  } catch {
    return undefined;
  }
}

export type Folding = {
  step(fact: Fact): void;
  /** Whether a fact that slides in late leads to the same as if it had come in its order. */
  commutes(fact: Fact): boolean;
  /** Forgets everything that was folded. */
  restart(): void;
};

/** Facts in the order of their keys, folded one by one; folded anew when one slides in late and does not commute. */
export class FactFold {
  readonly #facts: Fact[] = [];
  readonly #folding: Folding;
  #lastKey = "";

  constructor(folding: Folding) {
    this.#folding = folding;
  }

  add(facts: readonly Fact[]): void {
    const sorted = facts.toSorted(byKey);
    for (const fact of sorted) this.#facts.push(fact);
    for (const fact of sorted) {
      const isLate = fact.key < this.#lastKey;
      if (isLate && !this.#folding.commutes(fact)) return this.#again();
      this.#folding.step(fact);
      if (!isLate) this.#lastKey = fact.key;
    }
  }

  #again(): void {
    this.#facts.sort(byKey);
    this.#folding.restart();
    for (const fact of this.#facts) this.#folding.step(fact);
    this.#lastKey = this.#facts.at(-1)?.key ?? "";
  }
}

export const byKey = (a: Fact, b: Fact) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
