/**
 * Answers to those who asked, at a ROUTER socket that says at once (`mandatory`, no `sendTimeout`) when it would have to
 * wait for somebody: one bounded queue a peer, so that one that does not read delays itself alone.
 */
import { MAX_FRAME_BYTES } from "../envelope.ts";
import type { Sending } from "./sender.ts";

/** What waits for one peer: beyond it the newest is dropped, and is asked for again. */
const MAX_WAITING = 1_024;
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
const MAX_ALL_BYTES = 256 * 1024 * 1024;

type Waiting = { peer: Uint8Array; frames: Uint8Array[]; bytes: number };

export class Answers {
  readonly #socket: Sending;
  readonly #later: (run: () => void) => void;
  readonly #waiting = new Map<string, Waiting>();
  bytes = 0;
  queued = 0;
  dropped = 0;

  /** `later` runs something after a few milliseconds. */
  constructor(socket: Sending, later: (run: () => void) => void) {
    this.#socket = socket;
    this.#later = later;
  }

  push(peer: Uint8Array, bytes: Uint8Array): void {
    const key = Buffer.from(peer).toString("latin1");
    const known = this.#waiting.get(key);
    const waiting = known ?? { peer, frames: [], bytes: 0 };
    const isFull =
      waiting.frames.length >= MAX_WAITING ||
      waiting.bytes >= MAX_WAITING_BYTES ||
      this.bytes >= MAX_ALL_BYTES ||
      bytes.byteLength > MAX_FRAME_BYTES;
    if (isFull) {
      this.dropped++;
      return;
    }
    waiting.frames.push(bytes);
    this.#count(waiting, 1, bytes.byteLength);
    this.#waiting.set(key, waiting);
    if (!known) void this.#run(key, waiting);
  }

  #count(waiting: Waiting, frames: number, bytes: number): void {
    waiting.bytes += bytes;
    this.bytes += bytes;
    this.queued += frames;
  }

  async #run(key: string, waiting: Waiting): Promise<void> {
    for (let next = waiting.frames[0]; next && !this.#socket.closed; next = waiting.frames[0]) {
      try {
        await this.#socket.send([waiting.peer, next]);
      } catch (error) {
        if ((error as { code?: string }).code === "EAGAIN") {
          this.#later(() => void this.#run(key, waiting));
          return;
        }
        // Gone, or closed: whoever needs it asks again.
      }
      waiting.frames.shift();
      this.#count(waiting, -1, -next.byteLength);
    }
    this.#count(waiting, -waiting.frames.length, -waiting.bytes);
    this.#waiting.delete(key);
  }
}
