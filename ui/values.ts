/** The state values that hold now, by type. */
import { type Signal, signal } from "@preact/signals";
import type { StateValue } from "./connection.ts";

export type Value = { readonly key: string; readonly body: unknown; readonly nodes: readonly string[] };

const byType = new Map<string, Signal<readonly Value[]>>();

export function valuesOf(type: string): readonly Value[] {
  return signalOf(type).value;
}

function signalOf(type: string): Signal<readonly Value[]> {
  const values = byType.get(type) ?? signal<readonly Value[]>([]);
  byType.set(type, values);
  return values;
}

/** Values that changed; `anew` where these are all there are. */
export function hold(changes: readonly StateValue[], anew = false): void {
  if (anew) for (const values of byType.values()) values.value = [];
  for (const type of new Set(changes.map(change => change.type))) {
    const values = signalOf(type);
    const held = new Map(values.peek().map(value => [value.key, value]));
    for (const { key, body, nodes } of changes.filter(change => change.type === type)) {
      if (body === null) held.delete(key);
      else held.set(key, { key, body, nodes });
    }
    values.value = [...held.values()];
  }
}
