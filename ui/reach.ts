/**
 * The rows of a timeline that are drawn: those in reach of where the reader is, so that a room of many thousand is as quick
 * as one of few. Below what is drawn an empty space stands for the rest, and nothing moves when rows come or go there.
 */
import { type Signal, signal } from "@preact/signals";
import type { Chunk, Timeline } from "./timeline.ts";

/** Rows are drawn where less than this is left on a side of the reader, in CSS pixels, */
const AHEAD_PX = 1_500;
/** and let go of where there is more. */
const RELEASE_PX = 2_500;
/** Chunks that are drawn at a time. */
const STEP = 2;
/** Chunks that are drawn where a room opens. */
const FIRST = 4;
/** What comes all at once to a reader at the end is drawn as far as this. */
const MAX_ROWS = 200;
/** The height of a row that was never drawn, about, in CSS pixels. */
const ROW_PX = 28;

/** What the page knows of the box that the reader looks into. In CSS pixels. */
export type Place = {
  /** Drawn above the box. */
  abovePx: number;
  /** From the box's lower edge to the end of the timeline. */
  belowPx: number;
  boxPx: number;
  atEnd: boolean;
};

/** From one chunk to another; to the end, whatever comes, without the second. */
type Span = { readonly first: Chunk | undefined; readonly last: Chunk | undefined };

export class Reach {
  readonly #timeline: Timeline;
  readonly #span: Signal<Span>;
  readonly #heightPx = new WeakMap<Chunk, number>();

  /** Begins at the first row after the key `line`, or else at the end. */
  constructor(timeline: Timeline, line: string) {
    this.#timeline = timeline;
    const chunks = timeline.chunks.peek();
    const unread = chunks.findIndex(({ entries }) => line !== "" && (entries.peek().at(-1)?.message.key ?? "") > line);
    const at = Math.max(0, Math.min(unread < 0 ? chunks.length : unread, chunks.length - FIRST));
    this.#span = signal({ first: chunks[at], last: at + FIRST < chunks.length ? chunks[at + FIRST] : undefined });
  }

  /** The chunks to be drawn, the one above them, whether they begin and end with the timeline, and how much stands below. */
  get drawn() {
    const chunks = this.#timeline.chunks.value;
    const [from, to] = this.#edges(chunks, this.#span.value);
    return {
      chunks: chunks.slice(from, to),
      above: chunks[from - 1],
      isTop: from === 0,
      isEnd: to === chunks.length,
      restPx: chunks.slice(to).reduce((sum, chunk) => sum + this.#height(chunk), 0),
    };
  }

  #edges(chunks: readonly Chunk[], { first, last }: Span): [from: number, to: number] {
    const from = Math.max(0, chunks.indexOf(first as Chunk));
    const at = chunks.indexOf(last as Chunk);
    if (at >= 0) return [Math.min(from, at), at + 1];
    let least = chunks.length;
    for (let rows = 0; least > 0 && rows < MAX_ROWS; least--) rows += chunks[least - 1]?.entries.peek().length ?? 0;
    return [Math.max(from, least), chunks.length];
  }

  #height(chunk: Chunk): number {
    return this.#heightPx.get(chunk) ?? chunk.entries.peek().length * ROW_PX;
  }

  /** The reader goes to the newest row. */
  toEnd(): void {
    const chunks = this.#timeline.chunks.peek();
    this.#span.value = { first: chunks[Math.max(0, chunks.length - FIRST)], last: undefined };
  }

  /** The reader is at another place, or something came or grew; `heightOf` measures a chunk that is drawn. */
  moved({ abovePx, belowPx, boxPx, atEnd }: Place, heightOf: (chunk: Chunk) => number | undefined): void {
    const chunks = this.#timeline.chunks.peek();
    if (chunks.length === 0) return;
    const span = this.#span.peek();
    let [from, to] = this.#edges(chunks, span);
    const measure = (at: number) => {
      const chunk = chunks[at] as Chunk;
      const px = heightOf(chunk) ?? this.#height(chunk);
      this.#heightPx.set(chunk, px);
      return px;
    };
    let leftPx = belowPx - chunks.slice(to).reduce((sum, chunk) => sum + this.#height(chunk), 0);
    if (leftPx < -boxPx && !atEnd) [from, to] = this.#around(chunks, belowPx);
    else {
      let overPx = abovePx;
      if (overPx < AHEAD_PX) from = Math.max(0, from - STEP);
      else if (overPx > RELEASE_PX)
        for (let px = measure(from); from < to - 1 && overPx - px > AHEAD_PX; px = measure(++from)) overPx -= px;
      if (atEnd) to = chunks.length;
      else if (leftPx < AHEAD_PX) to = Math.min(chunks.length, to + STEP);
      else if (leftPx > RELEASE_PX)
        for (let px = measure(to - 1); to - 1 > from && leftPx - px > AHEAD_PX; px = measure(--to - 1)) leftPx -= px;
    }
    const first = chunks[from];
    const last = atEnd ? undefined : chunks[to - 1];
    if (first !== span.first || last !== span.last) this.#span.value = { first, last };
  }

  /** Where nothing is drawn: what the reader would see there, so far from the end. */
  #around(chunks: readonly Chunk[], belowPx: number): [from: number, to: number] {
    let at = chunks.length - 1;
    for (let px = 0; at > 0; at--) {
      px += this.#height(chunks[at] as Chunk);
      if (px >= belowPx) break;
    }
    return [Math.max(0, at - STEP), Math.min(chunks.length, at + STEP)];
  }
}
