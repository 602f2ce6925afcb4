/** What people see of what nodes hold, and what the promises say of it. */
import type { Ledger } from "./ledger.ts";

/** A message where a node holds it. */
export type Copy = { author: string; id: string; origin: string; n: number; key: string };
/** A message where it is shown. */
export type Shown = Pick<Copy, "author" | "id" | "key">;
/** A promise that was not kept. */
export type Breach = { where: string; what: string };

export const placeIn = (origin: string, n: number): string => `${origin} ${n}`;
const nameOf = ({ author, id }: Shown): string => `${author} ${id}`;

/** Copies as people see them: of the same message by the same author the one with the lowest key, in the order of keys. */
export function show(copies: readonly Copy[]): Shown[] {
  const shown = new Map<string, Shown>();
  for (const copy of copies) {
    const known = shown.get(nameOf(copy));
    if (!known || copy.key < known.key) shown.set(nameOf(copy), copy);
  }
  return [...shown.values()].sort(byKey);
}

/** Two nodes may both have taken a message that was sent to both; nothing else makes copies. */
export function checkCopies(where: string, copies: readonly Copy[], ledger: Ledger): Breach[] {
  const breaches: Breach[] = [];
  const held = new Map<string, Copy[]>();
  for (const copy of copies) held.set(nameOf(copy), [...(held.get(nameOf(copy)) ?? []), copy]);
  for (const same of held.values()) {
    const [{ id }] = same as [Copy];
    const nodes = ledger.find(id)?.nodes.size ?? 1;
    const places = same.map(({ origin, n }) => placeIn(origin, n)).join(", ");
    if (new Set(same.map(({ origin }) => origin)).size < same.length)
      breaches.push({ where, what: `${id} is in one stream twice: ${places}` });
    else if (same.length > nodes)
      breaches.push({ where, what: `${id} was sent to ${nodes} nodes and is there ${same.length} times: ${places}` });
  }
  return breaches;
}

/** Every acked message once, nothing twice, nothing that nobody wrote, and each author's in the order of the acks. */
export function checkShown(where: string, shown: readonly Shown[], ledger: Ledger): Breach[] {
  const breaches: Breach[] = [];
  const keys = new Map<string, string>();
  for (const message of shown) {
    if (keys.has(nameOf(message))) breaches.push({ where, what: `${message.id} is shown twice` });
    keys.set(nameOf(message), message.key);
    if (ledger.find(message.id)?.author !== message.author)
      breaches.push({ where, what: `${message.id} was not written by ${message.author}` });
  }
  if (shown.some((message, index) => index > 0 && message.key <= (shown[index - 1] as Shown).key))
    breaches.push({ where, what: "the messages do not come in the order of their keys" });
  for (const acked of ledger.acks()) breaches.push(...checkAuthor(where, acked, keys));
  return breaches;
}

function checkAuthor(
  where: string,
  acked: readonly { author: string; id: string; index: number }[],
  keys: ReadonlyMap<string, string>,
): Breach[] {
  const breaches: Breach[] = [];
  let last = { id: "", index: 0, key: "" };
  for (const { author, id, index } of acked) {
    const key = keys.get(`${author} ${id}`);
    if (key === undefined) {
      breaches.push({ where, what: `${id}, number ${index} of ${author}, was acked and is missing` });
      continue;
    }
    if (key < last.key)
      breaches.push({
        where,
        what: `${id}, number ${index} of ${author}, stands before number ${last.index}, ${last.id}`,
      });
    last = { id, index, key };
  }
  return breaches;
}

function byKey(a: Shown, b: Shown): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
