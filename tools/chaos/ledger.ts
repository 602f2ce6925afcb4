/** What was written, and what was answered, as kept outside the nodes: in memory, and line by line in a file. */
import { createWriteStream, type WriteStream } from "node:fs";
import { v7 as uuid } from "uuid";

/** One message of one author; `index` counts what the author has written. */
export type Write = {
  author: string;
  index: number;
  id: string;
  text: string;
  /** Nodes that it was sent to. */
  nodes: Set<string>;
  outcome: "open" | "acked" | "unknown";
};

export class Ledger {
  readonly #file: WriteStream;
  readonly #authors = new Map<string, Write[]>();
  readonly #writes = new Map<string, Write>();
  /** Answers that were refusals, by their code. */
  readonly refused = new Map<string, number>();
  /** Times that no answer came. */
  silences = 0;

  constructor(path: string) {
    this.#file = createWriteStream(path, { flags: "a" });
  }

  begin(author: string, text = "something to say"): Write {
    const own = this.#authors.get(author) ?? [];
    this.#authors.set(author, own);
    const index = own.length + 1;
    const write: Write = { author, index, id: uuid(), text, nodes: new Set(), outcome: "open" };
    own.push(write);
    this.#writes.set(write.id, write);
    return write;
  }

  sent(write: Write, node: string): void {
    write.nodes.add(node);
    this.#note("sent", write, { node });
  }

  acked(write: Write, node: string, key: string): void {
    write.outcome = "acked";
    this.#note("acked", write, { node, key });
  }

  refusal(write: Write, node: string, code: string): void {
    this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
    this.#note("refused", write, { node, code });
  }

  silence(write: Write, node: string): void {
    this.silences++;
    this.#note("no answer", write, { node });
  }

  /** Nobody asks after it any more: it may be there, or not. */
  giveUp(write: Write): void {
    write.outcome = "unknown";
    this.#note("given up", write, {});
  }

  #note(event: string, { author, index, id }: Write, details: object): void {
    // Writers that Ctrl+C found at work may still be told of an answer.
    if (!this.#file.writableEnded)
      this.#file.write(`${JSON.stringify({ at: Date.now(), event, author, index, id, ...details })}\n`);
  }

  find(id: string): Write | undefined {
    return this.#writes.get(id);
  }

  /** Acked messages of each author, in the order of their acks, since an author has one under way at a time. */
  acks(): Write[][] {
    return [...this.#authors.values()].map(writes => writes.filter(({ outcome }) => outcome === "acked"));
  }

  count(outcome: Write["outcome"]): number {
    return [...this.#writes.values()].filter(write => write.outcome === outcome).length;
  }

  close(): Promise<void> {
    return new Promise(resolve => this.#file.end(resolve));
  }
}
