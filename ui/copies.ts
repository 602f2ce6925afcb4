/** How many nodes hold each message that this page sent. */
import { type Signal, signal } from "@preact/signals";

const byId = new Map<string, Signal<number>>();

/** 0 where it is not known: the message was sent before this page was loaded. */
export function copiesOf(id: string): Signal<number> {
  const copies = byId.get(id) ?? signal(0);
  byId.set(id, copies);
  return copies;
}
