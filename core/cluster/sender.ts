/** One bounded queue and one loop a socket: overlapping sends on a socket throw. */
import { MAX_FRAME_BYTES } from "../envelope.ts";

/** Frames that wait for a socket: beyond it the newest is dropped, since the log repairs what is lost. */
export const MAX_QUEUED = 1_000;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** A socket that sends. */
export type Sending = { send(parts: Uint8Array[]): Promise<void>; readonly closed: boolean };

export class Sender {
  readonly #socket: Sending;
  readonly #max: number;
  #queue: Uint8Array[][] = [];
  #bytes = 0;
  #busy = false;
  #drained: (() => void)[] = [];
  dropped = 0;

  constructor(socket: Sending, max = MAX_QUEUED) {
    this.#socket = socket;
    this.#max = max;
  }

  get queued(): number {
    return this.#queue.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isBusy(): boolean {
    return this.#busy;
  }

  push(parts: Uint8Array[]): void {
    // A frame over the limit would cost the receiver the connection.
    const isTooLarge = parts.some(({ byteLength }) => byteLength > MAX_FRAME_BYTES);
    if (isTooLarge || this.#queue.length >= this.#max || this.#bytes >= MAX_QUEUED_BYTES) this.dropped++;
    else {
      this.#queue.push(parts);
      this.#bytes += bytesOf(parts);
    }
    if (!this.#busy) void this.#run();
  }

  drained(): Promise<void> {
    if (!this.#busy) return Promise.resolve();
    return new Promise(resolve => this.#drained.push(resolve));
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let parts = this.#queue.shift(); parts && !this.#socket.closed; parts = this.#queue.shift()) {
      this.#bytes -= bytesOf(parts);
      try {
        await this.#socket.send(parts);
      } catch {
        // Not deliverable, or closed: whoever needs it asks again.
        this.dropped++;
      }
    }
    this.#busy = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
}
