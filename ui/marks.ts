/** Messages that belong to another one, held by its id, whether the page has that one or not. */
import type { Message } from "../core/plugin.ts";

const NONE: readonly Message[] = [];

export class Marks {
  /** In the order of their keys; lists are never changed in place. */
  readonly #of = new Map<string, readonly Message[]>();

  /** How many messages have marks here. */
  get size(): number {
    return this.#of.size;
  }

  of(id: string): readonly Message[] {
    return this.#of.get(id) ?? NONE;
  }

  has({ id, author, ref = "" }: Pick<Message, "id" | "author" | "ref">): boolean {
    return this.of(ref).some(mark => mark.id === id && mark.author.id === author.id);
  }

  /** Returns whether that changed anything: of two nodes that both accepted one, the lower key counts. */
  add(mark: Message): boolean {
    const { ref, erased } = mark;
    if (!ref || erased) return false;
    const marks = this.of(ref);
    const at = marks.findIndex(({ id, author }) => id === mark.id && author.id === mark.author.id);
    const old = marks[at];
    // Without an origin it is the page's own picture of one that was acked.
    if (old?.origin && old.key <= mark.key) return false;
    const others = old ? marks.toSpliced(at, 1) : marks;
    const place = others.findLastIndex(({ key }) => key < mark.key) + 1;
    this.#of.set(ref, others.toSpliced(place, 0, mark));
    return true;
  }

  /** Takes an author's mark away; returns the id of the message that it belonged to, where it was here. */
  remove(author: string, id: string): string | undefined {
    for (const [ref, marks] of this.#of) {
      const left = marks.filter(mark => mark.id !== id || mark.author.id !== author);
      if (left.length === marks.length) continue;
      this.#of.set(ref, left);
      return ref;
    }
    return undefined;
  }

  /** Lets go of the older half of what belongs to messages that the page does not have. */
  trim(isHere: (id: string) => boolean): void {
    const absent = [...this.#of.keys()].filter(id => !isHere(id));
    for (const id of absent.slice(0, absent.length / 2)) this.#of.delete(id);
  }

  clear(): void {
    this.#of.clear();
  }
}
