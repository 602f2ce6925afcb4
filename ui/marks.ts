/** Messages that belong to another one, held by its id, whether the page has that one or not. */
import type { Message } from "../core/plugin.ts";

const NONE: readonly Message[] = [];

type Mark = Pick<Message, "id" | "author" | "ref">;

/** Those of one message. A poll may have thousands, which come at once: whatever is done for each must not go through all. */
class Pile {
  readonly #byName = new Map<string, Message>();
  /** In the order of their keys. */
  readonly #sorted: Message[] = [];
  #list: readonly Message[] | undefined = NONE;

  /** The same list until it is another one. */
  get list(): readonly Message[] {
    this.#list ??= [...this.#sorted];
    return this.#list;
  }

  get(name: string): Message | undefined {
    return this.#byName.get(name);
  }

  put(name: string, mark: Message): void {
    this.remove(name);
    this.#byName.set(name, mark);
    this.#sorted.splice(this.#sorted.findLastIndex(({ key }) => key < mark.key) + 1, 0, mark);
    this.#list = undefined;
  }

  /** Returns whether it was there. */
  remove(name: string): boolean {
    const mark = this.#byName.get(name);
    if (!mark) return false;
    this.#byName.delete(name);
    this.#sorted.splice(this.#sorted.lastIndexOf(mark), 1);
    this.#list = undefined;
    return true;
  }
}

export class Marks {
  readonly #of = new Map<string, Pile>();

  /** How many messages have marks here. */
  get size(): number {
    return this.#of.size;
  }

  /** In the order of their keys; a list is never changed. */
  of(id: string): readonly Message[] {
    return this.#of.get(id)?.list ?? NONE;
  }

  has(mark: Mark): boolean {
    return this.#of.get(mark.ref ?? "")?.get(nameOf(mark)) !== undefined;
  }

  /** Returns whether that changed anything: of two nodes that both accepted one, the lower key counts. */
  add(mark: Message): boolean {
    const { ref, erased } = mark;
    if (!ref || erased) return false;
    const pile = this.#of.get(ref) ?? new Pile();
    const old = pile.get(nameOf(mark));
    // Without an origin it is the page's own picture of one that was acked.
    if (old?.origin && old.key <= mark.key) return false;
    pile.put(nameOf(mark), mark);
    this.#of.set(ref, pile);
    return true;
  }

  /** Takes an author's mark away; returns the id of the message that it belonged to, where it was here. */
  remove(author: string, id: string): string | undefined {
    for (const [ref, pile] of this.#of) if (pile.remove(nameOf({ id, author: { id: author } }))) return ref;
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

/** Two people may use one id. */
function nameOf({ id, author }: { id: string; author: { id: string } }): string {
  return `${author.id}\n${id}`;
}
