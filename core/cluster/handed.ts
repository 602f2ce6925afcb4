/** Live envelopes that the log was given and has not committed yet: beyond a number they are dropped, and pulled later. */
import { type Envelope, frameBytes } from "../envelope.ts";

/** Some seconds of what a log commits. */
const MAX_ENVELOPES = 20_000;
const MAX_BYTES = 32 * 1024 * 1024;

export class Handed {
  envelopes = 0;
  bytes = 0;
  /** Envelopes that found no room. */
  dropped = 0;

  get isFull(): boolean {
    return this.envelopes >= MAX_ENVELOPES || this.bytes >= MAX_BYTES;
  }

  began(envelopes: readonly Envelope[]): void {
    this.envelopes += envelopes.length;
    this.bytes += bytesOf(envelopes);
  }

  /** They are committed, or refused. */
  ended(envelopes: readonly Envelope[]): void {
    this.envelopes -= envelopes.length;
    this.bytes -= bytesOf(envelopes);
  }
}

function bytesOf(envelopes: readonly Envelope[]): number {
  return envelopes.reduce((sum, envelope) => sum + frameBytes(envelope), 0);
}
