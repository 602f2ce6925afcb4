/**
 * The blobs that the log refers to: what is missing here is fetched, what is here is told and given to whoever asks. Has no
 * socket, clock or timer of its own.
 */
import { type BlobFiles, HASH } from "../blobs/files.ts";
import { dropFirst } from "../bounded.ts";
import { asReject } from "../errors.ts";
import type { Committed, Log } from "../log/log.ts";
import type { Cancel, Time } from "../time.ts";
import { Fetching } from "./fetching.ts";
import { BLOB_PART_BYTES, encodeBlobPart, encodeFrame, type FrameOf, MAX_HASHES, type Payload } from "./frames.ts";
import { Holdings, type Seqs } from "./holdings.ts";
import type { Links } from "./links.ts";
import type { Nodes } from "./nodes.ts";
import type { Notices } from "./notices.ts";
import type { Heads } from "./replication.ts";

export type BlobsPorts = {
  files: Pick<BlobFiles, "has" | "isWhole" | "touch" | "size" | "read" | "verify" | "receive" | "assertRoom">;
  log: Pick<Log, "blobsReferenced" | "origin">;
  /** What this node has committed of every stream. */
  heads(): Heads;
  time: Pick<Time, "elapsed" | "after" | "every" | "soon">;
  links: Pick<Links, "ask">;
  nodes: Pick<Nodes, "keepers">;
  notices: Pick<Notices, "blobs" | "unanswered" | "unreadable">;
  /** A peer said that it holds these blobs. */
  held(hashes: readonly string[]): void;
};

const TICK_MS = 500;
/** Files may go from a disk in other ways than through this program. */
const LOOK_AGAIN_MS = 3_600_000;
/** As long as something was left out, the log is looked through no more often than that. */
const LOOK_ON_MS = 10_000;
/** Messages that are looked at in one turn of the loop. */
const PAGE = 200;
/** A peer that doubts the same blob again is heard after that. */
const DOUBT_AGAIN_MS = 60_000;
const MAX_DOUBTED = 1_024;

export class Blobs {
  readonly #self: string;
  readonly #ports: BlobsPorts;
  readonly #holdings = new Holdings();
  readonly #fetching: Fetching;
  /** Here, or gone, since this turn of the loop, and not told yet. */
  #untold = new Set<string>();
  /** The streams that this node writes, or wrote since it started. */
  readonly #written = new Set<string>();
  /** How far the log was looked through for what is missing; undefined once that is done. */
  #lookedTo: number | undefined = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #isLooking = false;
  /** What is found missing may have been told to be here. */
  #tellsLost = false;
  /** When each was found to be whole, of those that peers doubted. */
  readonly #doubted = new Map<string, number>();
  #ticking: Cancel | undefined;
  readonly #lookingAgain: Cancel;
  #closed = false;

  constructor(self: string, ports: BlobsPorts) {
    this.#self = self;
    this.#ports = ports;
    const { files, time, links, nodes, notices } = ports;
    this.#fetching = new Fetching({
      files,
      holdings: this.#holdings,
      peers: () => nodes.keepers(),
      ask: (peer, hash, offset) => links.ask(peer, "blobPlease", { hash, offset }),
      inquire: hash => this.ask([hash]),
      doubt: (peer, hash) => links.ask(peer, "blobDoubted", { hash }),
      came: hash => this.#came(hash),
      now: time.elapsed,
      wanting: () => this.#tickSoon(),
      warn: (what, details) => notices.blobs(what, details),
    });
    this.#lookingAgain = time.every(LOOK_AGAIN_MS, () => {
      this.#tellsLost = true;
      this.#lookAgain();
    });
    void this.#look();
  }

  /** Blobs that are known to be missing here. */
  get missing(): number {
    return this.#fetching.wants.size;
  }

  /** What was committed refers to blobs: those that are here are told, the others are fetched. */
  committed({ envelopes, segments }: Pick<Committed, "envelopes" | "segments">): void {
    // What comes in segments is of before: nobody waits for an ack of it.
    const missing = [
      ...this.#missing(envelopes).map(hash => ({ hash, rank: "fresh" as const })),
      ...this.#missing(segments).map(hash => ({ hash, rank: "old" as const })),
    ];
    for (const { hash, rank } of missing) this.#fetching.refer(hash, rank);
    if (missing.length > 0) this.#fetching.fill();
  }

  /** Those of what is referred to that are not here; the others are told. */
  #missing(references: readonly { blobs: readonly string[] }[]): string[] {
    const missing: string[] = [];
    for (const { blobs } of references)
      for (const hash of blobs) {
        // Touched: it may have lain here for a day without anybody who needs it, and be about to be removed.
        if (this.#ports.files.touch(hash)) this.#tell(hash);
        else if (HASH.test(hash)) missing.push(hash);
      }
    return missing;
  }

  /**
   * Resolves with true when a blob is here, and whole as far as `isWhole` says, fetched before all others if need be; with
   * false where no peer sends it. `whom` is the person who waits for it. Rejects with `Reject` where this node's disk fails, or
   * where too much is waited for.
   */
  async fetch(hash: string, whom: string): Promise<boolean> {
    if (!HASH.test(hash)) return false;
    return (await this.#ports.files.isWhole(hash)) || this.#fetching.wait(hash, whom);
  }

  /** What is on this node's disk of a blob is found not to be it: that is as if it were missing. */
  damaged(hash: string): void {
    this.#ports.notices.blobs("a blob is damaged on this node's disk; it is fetched anew from a node that has it", {
      hash,
    });
    this.#tell(hash);
    this.#fetching.refer(hash, "fresh");
    this.#fetching.fill();
  }

  /** It was removed from this node's disk. */
  removed(hash: string): void {
    this.#tell(hash);
  }

  /** Whether a peer said that it holds all of these when it had committed that place of a stream of this node. */
  holds(peer: string, hashes: readonly string[], place: { origin: string; seq: number }): boolean {
    return hashes.every(hash => this.#holdings.hadAt(peer, hash, place));
  }

  /** Asks the peers which of these they hold. */
  ask(hashes: readonly string[]): void {
    for (const some of inFrames(hashes))
      for (const peer of this.#ports.nodes.keepers()) this.#ports.links.ask(peer, "blobsPlease", { hashes: some });
  }

  received({ kind, payload }: FrameOf<"blobs" | "blobPart">): void {
    if (!this.#ports.nodes.keepers().includes(payload.id)) return;
    if (kind === "blobPart") return this.#fetching.part(payload);
    const { id, hashes, lacks, heads } = payload;
    this.#holdings.add(id, hashes, this.#ownOf(heads));
    this.#holdings.drop(id, lacks);
    this.#fetching.mayHave(id, hashes);
    this.#ports.held(hashes);
  }

  /** How far these heads have the streams of this node. */
  #ownOf(heads: Heads): Seqs {
    const { origin } = this.#ports.log;
    if (origin !== undefined) this.#written.add(origin);
    return Object.fromEntries([...this.#written].map(origin => [origin, heads[origin]?.seq ?? 0]));
  }

  /** A peer is up that may have what is missing. */
  up(peer: string, boot: string): void {
    this.#holdings.up(peer, boot);
    this.#fetching.mayHave(peer);
  }

  /** A peer is down: nothing can be asked of it. */
  lost(peer: string): void {
    this.#fetching.lost(peer);
  }

  /** The frame with what follows `offset` in a blob; it says so where the blob is not here, or cannot be read. */
  async part(hash: string, offset: number): Promise<Uint8Array> {
    const { files, notices } = this.#ports;
    const size = files.size(hash);
    const begins = { id: this.#self, hash, offset };
    const nothing = encodeBlobPart(begins, new Uint8Array());
    if (size === undefined) return nothing;
    try {
      // Whoever asks for what is beyond its end was told another size, and has to hear of this one.
      const bytes = await files.read(hash, offset, Math.min(size, offset + BLOB_PART_BYTES));
      return encodeBlobPart({ ...begins, size }, bytes);
    } catch (error) {
      // It may have been removed meanwhile.
      if (asReject(error).code !== "not-found") notices.unreadable(error as Error);
      return nothing;
    }
  }

  /** The frame that says which of these are here. */
  which(hashes: readonly string[]): Uint8Array {
    return encodeFrame("blobs", this.#wordOf(hashes));
  }

  /** Together with what is committed: whoever hears it knows then for which messages it counts. */
  #wordOf(hashes: readonly string[]): Payload<"blobs"> {
    const here = new Set(hashes.filter(hash => this.#ports.files.has(hash)));
    const lacks = hashes.filter(hash => !here.has(hash));
    return { id: this.#self, hashes: [...here], lacks, heads: this.#ports.heads() };
  }

  /** A peer got something else than this blob: it is read, and so found out where it is damaged here. */
  async doubted(hash: string): Promise<void> {
    const { files, time } = this.#ports;
    const now = time.elapsed();
    const isSound = now - (this.#doubted.get(hash) ?? Number.NEGATIVE_INFINITY) < DOUBT_AGAIN_MS;
    if (isSound || !files.has(hash)) return;
    this.#doubted.delete(hash);
    this.#doubted.set(hash, now);
    dropFirst(this.#doubted, MAX_DOUBTED);
    if (!(await files.verify(hash))) this.#doubted.delete(hash);
  }

  #came(hash: string): void {
    this.#tell(hash);
    this.#lookOn();
  }

  /** Whether it is here, to all peers that know of blobs, in one frame a turn of the loop. */
  #tell(hash: string): void {
    if (this.#untold.size === 0)
      this.#ports.time.soon(() => {
        const { nodes, links } = this.#ports;
        const hashes = [...this.#untold];
        this.#untold.clear();
        if (this.#closed) return;
        for (const some of inFrames(hashes)) {
          const word = this.#wordOf(some);
          for (const peer of nodes.keepers()) links.ask(peer, "blobs", word);
        }
      });
    this.#untold.add(hash);
  }

  #lookAgain(): void {
    this.#lookedTo ??= 0;
    void this.#look();
  }

  /** Goes on where looking had to wait for what was found. */
  #lookOn(): void {
    const { wants } = this.#fetching;
    if (!wants.areFew) return;
    const isDue = this.#ports.time.elapsed() - this.#lookedAt >= LOOK_ON_MS;
    if (this.#lookedTo !== undefined) void this.#look();
    else if (wants.isIncomplete && isDue) this.#lookAgain();
  }

  /** Looks through the log for what is missing here. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { log, notices, time } = this.#ports;
    const { wants } = this.#fetching;
    if (this.#lookedTo === 0) {
      wants.isIncomplete = false;
      this.#lookedAt = time.elapsed();
    }
    try {
      while (this.#lookedTo !== undefined && !this.#closed && !wants.areMany) {
        const page = await log.blobsReferenced(this.#lookedTo, PAGE);
        this.#found(page.flatMap(({ blobs }) => blobs));
        this.#lookedTo = page.length < PAGE ? undefined : page.at(-1)?.pos;
        this.#tellsLost &&= this.#lookedTo !== undefined;
      }
    } catch (error) {
      if (!this.#closed) notices.unanswered(error);
    }
    this.#isLooking = false;
  }

  #found(hashes: readonly string[]): void {
    for (const hash of hashes) {
      if (!HASH.test(hash) || this.#ports.files.has(hash)) continue;
      if (this.#tellsLost && !this.#fetching.wants.get(hash)) this.#tell(hash);
      this.#fetching.refer(hash, "old");
    }
    this.#fetching.fill();
  }

  #tickSoon(): void {
    if (this.#closed) return;
    this.#ticking ??= this.#ports.time.after(TICK_MS, () => {
      this.#ticking = undefined;
      if (this.#fetching.tick() || this.#fetching.wants.isIncomplete) this.#tickSoon();
      this.#lookOn();
    });
  }

  close(): void {
    this.#closed = true;
    this.#ticking?.();
    this.#lookingAgain();
    this.#fetching.close();
  }
}

function* inFrames(hashes: readonly string[]): Generator<string[]> {
  for (let from = 0; from < hashes.length; from += MAX_HASHES) yield hashes.slice(from, from + MAX_HASHES);
}
