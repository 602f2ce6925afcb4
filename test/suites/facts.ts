/** Facts for the folds, and the check that a fold does not care in which order and batches they come. */
import fc from "fast-check";
import { keyOf } from "../../core/envelope.ts";
import type { Fact } from "../../core/facts.ts";
import { hashToken } from "../../core/people.ts";

/** Milliseconds since 1970 at which the facts of a test begin. */
export const START_MS = 1_800_000_000_000;
const ORIGIN = "o".repeat(16);

type Told = { [Type in Fact["type"]]: Extract<Fact, { type: Type }>["body"] };

let facts = 0;

/** A fact of an author, `atMs` after the start; later ones of the same millisecond have a higher key. */
export function fact<Type extends Fact["type"]>(type: Type, author: string, body: Told[Type], atMs = 0): Fact {
  facts++;
  const hlc = (START_MS + atMs) * 1024;
  return { type, key: keyOf({ hlc, origin: ORIGIN, n: facts }), hlc, author, authorName: author, body } as Fact;
}

export const claims = (author: string, name: string, atMs = 0) =>
  fact("chat:name", author, { name, token: hashToken(`token of ${author}`) }, atMs);
export const invites = (author: string, code: string, untilMs: number, atMs = 0) =>
  fact("chat:link", author, { code: hashToken(code), until: START_MS + untilMs }, atMs);
export const takesUp = (author: string, code: string, token: string, atMs = 0) =>
  fact("chat:device", author, { code: hashToken(code), token: hashToken(token) }, atMs);
export const logsOut = (author: string, token: string, atMs = 0) =>
  fact("chat:logout", author, { token: hashToken(token) }, atMs);
export const makes = (author: string, name: string, atMs = 0) => fact("chat:room", author, { name }, atMs);

/** The facts in some order, cut into some batches. */
export function dealt(facts: fc.Arbitrary<Fact[]>): fc.Arbitrary<{ sorted: Fact[]; batches: Fact[][] }> {
  return facts
    .map(facts => facts.toSorted((a, b) => (a.key < b.key ? -1 : 1)))
    .chain(sorted =>
      fc
        .tuple(
          fc.shuffledSubarray(sorted, { minLength: sorted.length }),
          fc.array(fc.nat(4), { minLength: sorted.length, maxLength: sorted.length }),
        )
        .map(([shuffled, cuts]) => {
          const batches: Fact[][] = [[]];
          for (const [index, fact] of shuffled.entries()) {
            batches.at(-1)?.push(fact);
            if (cuts[index] === 0) batches.push([]);
          }
          return { sorted, batches };
        }),
    );
}
