/** Which rooms there are, and who may be in them: a fold over the facts about rooms. */
import { Reject } from "./errors.ts";
import { byKey, type Fact } from "./facts.ts";
import { foldName, parseName } from "./names.ts";
import type { Person } from "./plugin.ts";

export type Room = { readonly id: string; readonly name: string };

export const LOBBY: Room = { id: "lobby", name: "lobby" };

export class Rooms {
  readonly #rooms = new Map<string, Room>([[LOBBY.id, LOBBY]]);
  /** Key of the fact whose spelling of the name a room has. */
  readonly #keys = new Map<string, string>([[LOBBY.id, ""]]);

  /**
   * Takes facts in, in any order; returns the rooms that are new, or spelled anew. Two creations of one public room are the
   * same room: its id is its folded name, and the spelling with the lowest key stays.
   */
  add(facts: readonly Fact[]): Room[] {
    const changed = new Set<string>();
    for (const { type, key, body } of facts.toSorted(byKey)) {
      if (type !== "chat:room") continue;
      const id = foldName(body.name);
      const known = this.#keys.get(id);
      if (known !== undefined && known <= key) continue;
      this.#keys.set(id, key);
      if (this.#rooms.get(id)?.name === body.name) continue;
      this.#rooms.set(id, { id, name: body.name });
      changed.add(id);
    }
    return [...changed].map(id => this.#rooms.get(id) as Room);
  }

  /** In the order in which they were made, which is the same on every node. */
  all(): Room[] {
    const keyOf = ({ id }: Room) => this.#keys.get(id) as string;
    return [...this.#rooms.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  get(id: string): Room | undefined {
    return this.#rooms.get(id);
  }

  /** The one place that says whether a person may read a room; everything that reads asks here, or below. */
  isReadable(_person: Person, id: string): boolean {
    return this.#rooms.has(id);
  }

  /** Throws `Reject` where there is no such room, or none for this person. */
  assertReadable(person: Person, id: unknown): Room {
    const room = typeof id === "string" && this.isReadable(person, id) ? this.#rooms.get(id) : undefined;
    if (!room) throw new Reject("unknown-room");
    return room;
  }
}

/** The name of a public room to be made; throws `Reject` where it cannot be one. */
export function parseRoomName(input: unknown): string {
  const name = parseName(typeof input === "string" ? input.replace(/^\s*#+/, "") : input);
  if (foldName(name).startsWith("chat:")) throw new Reject("invalid", "that room name is reserved");
  return name;
}
