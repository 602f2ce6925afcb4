/** What peers ask of this node, and its answers, each peer's in its turn. */
import type { Log } from "../log/log.ts";
import type { Time } from "../time.ts";
import type { Blobs } from "./blobs.ts";
import type { Received } from "./bus.ts";
import { encodeFrame, encodePulled, type FrameOf } from "./frames.ts";
import type { Notices } from "./notices.ts";
import type { Replication } from "./replication.ts";
import { Turns } from "./turns.ts";

export type ServicePorts = {
  log: Pick<Log, "chains">;
  replication: Pick<Replication, "answer">;
  blobs: Pick<Blobs, "part" | "which" | "doubted">;
  /** The frame with all of this node's state. */
  snapshot(): Uint8Array;
  time: Pick<Time, "soon">;
  notices: Pick<Notices, "unanswered">;
};

type Asked = "pull" | "chainsPlease" | "snapshotPlease" | "blobPlease" | "blobsPlease" | "blobDoubted";

export class Service {
  readonly #self: string;
  readonly #ports: ServicePorts;
  readonly #turns: Turns;
  #closed = false;

  constructor(self: string, ports: ServicePorts) {
    this.#self = self;
    this.#ports = ports;
    this.#turns = new Turns(ports.time.soon);
  }

  /** Requests that wait for their turn. */
  get waiting(): number {
    return this.#turns.waiting;
  }

  received({ kind, payload }: FrameOf<Asked>, from: Received): void {
    const { blobs } = this.#ports;
    switch (kind) {
      case "pull":
        return this.#answer(from, `pull ${payload.origin} ${payload.after}`, () =>
          this.#pulled(payload.origin, payload.after),
        );
      case "chainsPlease":
        return this.#answer(from, `chains ${payload.origin} ${payload.seqs}`, () =>
          this.#chains(payload.origin, payload.seqs),
        );
      case "snapshotPlease":
        return this.#answer(from, kind, () => this.#ports.snapshot());
      case "blobPlease":
        return this.#answer(from, `blob ${payload.hash} ${payload.offset}`, () =>
          blobs.part(payload.hash, payload.offset),
        );
      case "blobsPlease":
        return this.#answer(from, `blobs ${payload.hashes}`, () => blobs.which(payload.hashes));
      case "blobDoubted":
        return this.#answer(from, `doubt ${payload.hash}`, async () => {
          await blobs.doubted(payload.hash);
          return undefined;
        });
    }
  }

  /** `make` makes the frame, where there is anything to say. */
  #answer(
    { from = "", answer }: Received,
    what: string,
    make: () => Uint8Array | Promise<Uint8Array | undefined>,
  ): void {
    this.#turns.take(from, what, async () => {
      try {
        const frame = this.#closed ? undefined : await make();
        if (frame && !this.#closed) answer?.(frame);
      } catch (error) {
        this.#ports.notices.unanswered(error);
      }
    });
  }

  async #pulled(origin: string, after: number): Promise<Uint8Array> {
    const { follows, packed } = await this.#ports.replication.answer(origin, after);
    return encodePulled({ id: this.#self, origin, follows }, packed);
  }

  async #chains(origin: string, seqs: number[]): Promise<Uint8Array> {
    const chains = await this.#ports.log.chains(origin, seqs);
    return encodeFrame("chains", { id: this.#self, origin, chains });
  }

  close(): void {
    this.#closed = true;
  }
}
