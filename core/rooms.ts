/** Which rooms there are, and who may be in them: a fold over the facts about rooms. */
import { Reject } from "./errors.ts";
import { type Fact, FactFold } from "./facts.ts";
import { foldName, parseName } from "./names.ts";
import type { Person } from "./plugin.ts";

export type Room = { readonly id: string; readonly name: string };

export const LOBBY: Room = { id: "lobby", name: "lobby" };

export class Rooms {
  readonly #rooms = new Map<string, Room>([[LOBBY.id, LOBBY]]);
  readonly #fold = new FactFold(
    fact => this.#step(fact),
    () => {
      this.#rooms.clear();
      this.#rooms.set(LOBBY.id, LOBBY);
    },
  );

  /** Takes facts in; returns the rooms that are new. */
  add(facts: readonly Fact[]): Room[] {
    const before = new Set(this.#rooms.keys());
    this.#fold.add(facts);
    return [...this.#rooms.values()].filter(({ id }) => !before.has(id));
  }

  /** Two creations of one public room are the same room: its id is its folded name. The first one's spelling stays. */
  #step(fact: Fact): void {
    if (fact.type !== "chat:room") return;
    const id = foldName(fact.body.name);
    if (!this.#rooms.has(id)) this.#rooms.set(id, { id, name: fact.body.name });
  }

  all(): Room[] {
    return [...this.#rooms.values()];
  }

  get(id: string): Room | undefined {
    return this.#rooms.get(id);
  }

  /**
   * The one place that says whether a person may read a room; everything that reads asks here. Throws `Reject` where there
   * is no such room, or none for this person.
   */
  assertReadable(_person: Person, id: unknown): Room {
    const room = typeof id === "string" ? this.#rooms.get(id) : undefined;
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
