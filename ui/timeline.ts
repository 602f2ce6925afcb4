/** The rows of one room in the order of their keys, cut into chunks so that a change touches few of them. */
import { batch, type Signal, signal } from "@preact/signals";
import type { Message } from "../core/plugin.ts";
import { Marks } from "./marks.ts";

const CHUNK_ROWS = 25;
/** As many messages as are not here may keep their marks: history brings them again with the message. */
const MAX_ABSENT = 2_000;

/** Never changed in place, so that whoever drew it can tell by identity whether to draw again. */
export type Entry = { readonly message: Message; readonly late: boolean; readonly marks: readonly Message[] };
export type Chunk = { readonly id: number; readonly entries: Signal<readonly Entry[]> };

export class Timeline {
  readonly chunks = signal<readonly Chunk[]>([]);
  readonly #entryOf = new Map<string, Entry>();
  readonly #marks = new Marks();
  /** Erasures, also of messages that are not loaded or have not come yet. */
  readonly #erased = new Set<string>();
  /** The chunks under change, until `#commit`. */
  readonly #drafts = new Map<Chunk, Entry[]>();
  #nextId = 0;

  get size(): number {
    return this.#entryOf.size;
  }
  get oldest(): Message | undefined {
    return this.chunks.peek()[0]?.entries.peek()[0]?.message;
  }
  get newest(): Message | undefined {
    return this.chunks.peek().at(-1)?.entries.peek().at(-1)?.message;
  }
  /** What is here of one type, oldest first. */
  loaded(type: string): Message[] {
    return this.chunks.value
      .flatMap(({ entries }) => entries.value.map(({ message }) => message))
      .filter(message => message.type === type);
  }
  /** It is a row here, or belongs to one. */
  has(message: Pick<Message, "id" | "author" | "ref">): boolean {
    return this.#entryOf.has(identity(message)) || this.#marks.has(message);
  }

  /** Puts each message at its place; returns those that were not here yet. */
  insert(messages: readonly Message[], late: (message: Message) => boolean = () => false): Message[] {
    return batch(() => {
      const added = messages.filter(message => this.#place(message, late(message)));
      this.#commit();
      return added;
    });
  }

  /** Two nodes may both have accepted one message: the lower key counts. */
  #place(message: Message, late: boolean): boolean {
    const old = this.#entryOf.get(identity(message));
    if (old) {
      // Without an origin it is the page's own picture of a message that was acked, and the real one has come.
      if (message.key >= old.message.key && old.message.origin) return false;
      this.#take(old);
    }
    const entry = {
      message: this.#erased.has(identity(message)) ? emptied(message) : message,
      late,
      marks: this.#marks.of(message.id),
    };
    this.#entryOf.set(identity(message), entry);
    this.#put(entry);
    return !old;
  }

  #put(entry: Entry): void {
    const { key } = entry.message;
    const chunk = this.#chunkFor(key);
    const draft = this.#draft(chunk);
    let at = draft.length;
    while (at > 0 && key < (draft[at - 1] as Entry).message.key) at--;
    draft.splice(at, 0, entry);
    if (draft.length > 2 * CHUNK_ROWS) this.#split(chunk);
  }

  /** The chunk that a row of this key belongs to: a new one beyond either end, once the one there is full. */
  #chunkFor(key: string): Chunk {
    const chunks = this.chunks.peek();
    const at = chunks.findLastIndex(chunk => (this.#entries(chunk)[0]?.message.key ?? "") <= key);
    const chunk = chunks[Math.max(at, 0)];
    const end = at < 0 || (at === chunks.length - 1 && key > (this.#entries(chunk as Chunk).at(-1)?.message.key ?? ""));
    if (chunk && !(end && this.#entries(chunk).length >= CHUNK_ROWS)) return chunk;
    const made = this.#newChunk([]);
    this.chunks.value = at < 0 ? [made, ...chunks] : [...chunks, made];
    return made;
  }

  #split(chunk: Chunk): void {
    const tail = this.#newChunk(this.#draft(chunk).splice(CHUNK_ROWS));
    this.chunks.value = this.chunks.peek().toSpliced(this.chunks.peek().indexOf(chunk) + 1, 0, tail);
  }

  #newChunk(entries: Entry[]): Chunk {
    return { id: this.#nextId++, entries: signal<readonly Entry[]>(entries) };
  }

  #take(entry: Entry): void {
    this.#entryOf.delete(identity(entry.message));
    const chunk = this.#holder(entry);
    if (!chunk) return;
    const draft = this.#draft(chunk);
    draft.splice(draft.indexOf(entry), 1);
  }

  #holder(entry: Entry): Chunk | undefined {
    return this.chunks.peek().findLast(chunk => this.#entries(chunk).includes(entry));
  }

  #entries(chunk: Chunk): readonly Entry[] {
    return this.#drafts.get(chunk) ?? chunk.entries.peek();
  }

  #draft(chunk: Chunk): Entry[] {
    const draft = this.#drafts.get(chunk) ?? [...chunk.entries.peek()];
    this.#drafts.set(chunk, draft);
    return draft;
  }

  #commit(): void {
    batch(() => {
      for (const [chunk, draft] of this.#drafts) chunk.entries.value = draft;
      const emptyOne = [...this.#drafts.values()].some(draft => draft.length === 0);
      if (emptyOne) this.chunks.value = this.chunks.peek().filter(chunk => chunk.entries.peek().length > 0);
    });
    this.#drafts.clear();
  }

  /** Puts marks to the messages that they refer to, whether those are here or not. */
  mark(marks: readonly Message[]): void {
    const changed = new Set<string>();
    for (const mark of marks)
      if (!this.#erased.has(identity(mark)) && this.#marks.add(mark) && mark.ref) changed.add(mark.ref);
    this.#remark(changed);
    if (this.#marks.size <= this.size + MAX_ABSENT) return;
    const here = new Set([...this.#entryOf.values()].map(({ message }) => message.id));
    this.#marks.trim(id => here.has(id));
  }

  /** Empties the message of that author and id, now or when it comes; a mark vanishes. */
  erase(author: Message["author"], id: string): void {
    const erased = identity({ author, id });
    this.#erased.add(erased);
    const entry = this.#entryOf.get(erased);
    if (entry && !entry.message.erased) this.#change(entry, { ...entry, message: emptied(entry.message) });
    const marked = this.#marks.remove(author.id, id);
    if (marked) this.#remark(new Set([marked]));
    this.#commit();
  }

  #remark(ids: ReadonlySet<string>): void {
    if (ids.size === 0) return;
    for (const entry of [...this.#entryOf.values()])
      if (ids.has(entry.message.id)) this.#change(entry, { ...entry, marks: this.#marks.of(entry.message.id) });
    this.#commit();
  }

  #change(old: Entry, entry: Entry): void {
    this.#entryOf.set(identity(entry.message), entry);
    const chunk = this.#holder(old);
    if (!chunk) return;
    const draft = this.#draft(chunk);
    draft[draft.indexOf(old)] = entry;
  }

  clear(): void {
    this.#entryOf.clear();
    this.#marks.clear();
    this.chunks.value = [];
  }

  /** Lets go of the chunks at one end that are more than `rows`; returns whether there were any. */
  trim(rows: number, end: "oldest" | "newest"): boolean {
    const chunks = [...this.chunks.peek()];
    let dropped = false;
    for (;;) {
      const chunk = (end === "oldest" ? chunks[0] : chunks.at(-1)) as Chunk;
      if (chunks.length < 2 || this.size - chunk.entries.peek().length < rows) break;
      for (const { message } of chunk.entries.peek()) this.#entryOf.delete(identity(message));
      chunks.splice(chunks.indexOf(chunk), 1);
      dropped = true;
    }
    if (dropped) this.chunks.value = chunks;
    return dropped;
  }

  /** Lets go of every row but those whose key is `kept`. */
  keep(kept: (key: string) => boolean): void {
    for (const chunk of this.chunks.peek()) {
      const [left, gone] = [true, false].map(is =>
        this.#entries(chunk).filter(({ message }) => kept(message.key) === is),
      );
      for (const { message } of gone as Entry[]) this.#entryOf.delete(identity(message));
      if (gone?.length) this.#drafts.set(chunk, left as Entry[]);
    }
    this.#commit();
  }
}

/** Nobody can hide another person's message behind its id. */
export function identity({ author, id }: Pick<Message, "author" | "id">): string {
  return `${author.id} ${id}`;
}

function emptied({ body: _, alt: __, ...header }: Message): Message {
  return { ...header, erased: true };
}
