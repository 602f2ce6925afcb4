/** What tests are made of: drafts, envelopes of other nodes, random checks that can be repeated. */
import type { TestContext } from "node:test";
import fc from "fast-check";
import { type Draft, decode, type Envelope, encode, fromWire, toWire } from "../../core/envelope.ts";
import type { Stored } from "../../core/log/reads.ts";
import { Store } from "../../core/log/store.ts";

let drafts = 0;

/** A text of Ana in the lobby, unless `changes` say otherwise; each has an id and a time of its own. */
export function draft(changes: Partial<Draft> = {}): Draft {
  drafts++;
  const text = `message ${drafts}`;
  return {
    room: "lobby",
    hlc: 1_800_000_000_000_000 + drafts,
    type: "text",
    version: 1,
    role: "row",
    author: "ana",
    authorName: "Ana",
    id: `id-${drafts}`,
    ref: null,
    alt: text,
    body: encode({ text }),
    blobs: [],
    extra: null,
    ...changes,
  };
}

/** What another node wrote, as it would come over the bus: a stream of its own with right places and hashes. */
export function written(...drafts: Draft[]): Envelope[] {
  const store = new Store(":memory:");
  const { outcomes } = store.append(drafts, 0);
  const envelopes = outcomes.map(outcome => {
    if (outcome.status !== "stored") throw new Error(`the other node refused: ${JSON.stringify(outcome)}`);
    return withoutPos(outcome.envelope);
  });
  store.close();
  return envelopes;
}

/** The envelope as every node has it: `pos` belongs to one node only. */
export function withoutPos({ pos: _, ...envelope }: Stored): Envelope {
  return envelope;
}

/** The element at an index that is known to be there. */
export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items.at(index);
  if (item === undefined) throw new Error(`there is no element ${index} of ${items.length}`);
  return item;
}

/** Before the runner ends the test: what was found is told, as small as it was made by then. */
const MAX_PROPERTY_MS = 90_000;

/** Holds for random input. The seed stands in the test's output; `SEED=…` repeats a run. */
export async function holds<Values>(
  t: TestContext,
  property: fc.IRawProperty<Values>,
  parameters: fc.Parameters<Values> = {},
): Promise<void> {
  const seed = process.env.SEED === undefined ? (Math.random() * 0x7fff_ffff) | 0 : Number(process.env.SEED);
  t.diagnostic(`SEED=${seed}`);
  await fc.assert(property, { seed, interruptAfterTimeLimit: MAX_PROPERTY_MS, ...parameters });
}

/** Records as object literals are: fast-check likes to leave the prototype out. */
export function record<Model>(model: { [Key in keyof Model]: fc.Arbitrary<Model[Key]> }): fc.Arbitrary<Model> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Model>;
}

const text = (maxLength: number) =>
  fc.string({ unit: "grapheme", minLength: 1, maxLength }).map(s => s.slice(0, maxLength).toWellFormed());
const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
export const origins = fc.stringMatching(/^[0-9a-z]{16}$/);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

/** Any envelope that `fromWire` admits, erased ones among them. */
export const envelopes: fc.Arbitrary<ReturnType<typeof fromWire>> = record({
  origin: origins,
  seq: count,
  room: text(128),
  n: count,
  hlc: count,
  type: text(64),
  version: count,
  role: text(16),
  author: text(64),
  authorName: text(128),
  id: text(64),
  ref: fc.option(text(64)),
  alt: fc.option(text(512)),
  body: fc.option(bytes(512)),
  blobs: fc.array(text(64), { maxLength: 4 }),
  salt: bytes(32),
  contentHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  extra: fc.option(bytes(64)),
}).map(({ body, salt, ...envelope }) =>
  body === null ? { ...envelope, alt: null, blobs: [], body: null, salt: null } : { ...envelope, body, salt },
);

/** Envelopes that a log has packed for peers. */
export function unpacked({ packed }: { packed: Uint8Array }): Envelope[] {
  return (decode(packed) as unknown[]).map(fromWire);
}

/** As a log packs envelopes for peers. */
export function packed(envelopes: readonly Envelope[]): Uint8Array {
  return encode(envelopes.map(toWire));
}
