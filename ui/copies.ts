/** How many nodes hold each message that this page sent. */
import { type Signal, signal } from "@preact/signals";

const byId = new Map<string, Signal<number>>();

/** More nodes hold a message than was known. */
export function raise(id: string, copies: number): void {
  const known = copiesOf(id);
  known.value = Math.max(copies, known.peek());
}

/** 0 where it is not known yet. */
export function copiesOf(id: string): Signal<number> {
  const copies = byId.get(id) ?? signal(0);
  byId.set(id, copies);
  return copies;
}
