/** What an operator may do with what a node holds, whoever wrote it, and whether the node runs or not. */
import { v7 as uuid } from "uuid";
import type { BlobPiece } from "./archive.ts";
import type { BlobFiles } from "./blobs/files.ts";
import type { Incoming } from "./blobs/incoming.ts";
import type { Head } from "./chain.ts";
import { type Clock, millisecondsOf } from "./clock.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { type Draft, type Envelope, encode } from "./envelope.ts";
import { Reject } from "./errors.ts";
import { writeFact } from "./facts.ts";
import type { Log } from "./log/log.ts";
import type { Person } from "./plugin.ts";

/** What a node holds at one commit. */
export type Standing = {
  /** `id` is missing before the first start. */
  node: { id?: string | undefined; name: string };
  pos: number;
  /** In the order of the origins. */
  heads: Record<string, Head>;
  /** The stream that the node writes; missing before its first write. */
  origin?: string | undefined;
};

/** `pos` is where the next page begins. */
export type LogPage = { envelopes: Envelope[]; pos: number };

/** Which message was emptied: never what it said. `at` is milliseconds since 1970. */
export type Erased = { room: string; author: Person; at: number };

export type Administration = {
  /** Everything that was acked before the call is in it. */
  standing(): Promise<Standing>;
  /** What was committed after `after` and up to `upTo`, in commit order; empty where that is all. */
  page(after: number, upTo: number): Promise<LogPage>;
  /** The running hashes of streams at the seqs asked for, of those that are there. */
  chainsAt(places: Record<string, number>): Promise<Record<string, string>>;
  /** Commits what continues its stream and passes the rest over; resolves with how many were stored. */
  append(envelopes: readonly Envelope[]): Promise<number>;
  /** The piece of a blob that begins there; undefined where the node does not hold it. */
  blob(hash: string, from: number): Promise<{ bytes: Uint8Array; isLast: boolean } | undefined>;
  /** Takes a piece of a blob, in order; false, and no more wanted, where the node holds it. Throws `Reject` as disks do. */
  keepBlob(piece: BlobPiece): Promise<boolean>;
  /** Ends the node's own stream at `seq`, so that its next write begins a new one; false where it has gone on since. */
  abandon(origin: string, seq: number): Promise<boolean>;
  /**
   * Empties the messages of that id on every node. `scrubbed` is false where a reader kept the text from leaving this node's
   * files yet. Throws `Reject` with `not-found` where there is none.
   */
  erase(id: string): Promise<{ messages: Erased[]; scrubbed: boolean }>;
  /**
   * Removes a node for good, on every node; `node` is its name, its id, or how its id begins. Throws `Reject` where that is
   * none or several, it is up, or no node runs here that would know.
   */
  forget(node: string): Promise<{ id: string; name: string }>;
  close(): Promise<void>;
};

const PAGE_MAX_COUNT = 1_000;
const PAGE_MAX_BYTES = 512 * 1024;
const PIECE_BYTES = 256 * 1024;

/** Of a log in this process. */
export class LogAdministration implements Administration {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #cluster: Pick<Cluster, "peers"> | undefined;
  readonly #blobs: BlobFiles;
  /** The blob of which not all has come. */
  #incoming: { hash: string; file: Incoming } | undefined;

  /** `name` is the node's; without a cluster no node runs on the log. */
  constructor(log: Log, blobs: BlobFiles, clock: Clock, name: string, cluster?: Pick<Cluster, "peers">) {
    this.#log = log;
    this.#blobs = blobs;
    this.#clock = clock;
    this.#name = name;
    this.#cluster = cluster;
  }

  async standing(): Promise<Standing> {
    const { pos, origin } = this.#log;
    const [id, heads] = await Promise.all([this.#log.setting("node"), this.#log.headsAt(pos)]);
    return { node: { id, name: this.#name }, pos, heads, origin };
  }

  async page(after: number, upTo: number): Promise<LogPage> {
    const envelopes = await this.#log.since(after, upTo, PAGE_MAX_COUNT, PAGE_MAX_BYTES);
    return { envelopes, pos: envelopes.at(-1)?.pos ?? after };
  }

  chainsAt(places: Record<string, number>): Promise<Record<string, string>> {
    return this.#log.chainsAt(places);
  }

  async append(envelopes: readonly Envelope[]): Promise<number> {
    const outcomes = await this.#log.append(envelopes);
    return outcomes.filter(({ status }) => status === "stored").length;
  }

  async blob(hash: string, from: number): Promise<{ bytes: Uint8Array; isLast: boolean } | undefined> {
    const info = await this.#blobs.info(hash);
    // What is damaged is as good as not there.
    if (!info || (from === 0 && !(await this.#blobs.verify(hash)))) return undefined;
    const bytes = await this.#blobs.read(hash, from, from + PIECE_BYTES);
    return { bytes, isLast: from + bytes.length >= info.size };
  }

  async keepBlob({ hash, from, bytes, isLast }: BlobPiece): Promise<boolean> {
    if (from === 0) {
      await this.#dropIncoming();
      if ((await this.#blobs.isWhole(hash)) && this.#blobs.touch(hash)) return false;
      this.#incoming = { hash, file: await this.#blobs.receive() };
    }
    const incoming = this.#incoming;
    if (incoming?.hash !== hash || incoming.file.size !== from)
      throw new Reject("invalid", "another import has begun meanwhile: begin anew when it is done");
    await this.#blobs.assertRoom(bytes.length);
    await incoming.file.write(bytes);
    if (!isLast) return true;
    this.#incoming = undefined;
    await incoming.file.finish(hash);
    return true;
  }

  /** What a command left that was ended in the middle of a blob. */
  async #dropIncoming(): Promise<void> {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    await incoming?.file.abandon();
  }

  abandon(origin: string, seq: number): Promise<boolean> {
    return this.#log.abandon(origin, seq);
  }

  async erase(id: string): Promise<{ messages: Erased[]; scrubbed: boolean }> {
    const found = await this.#log.named(id);
    if (found.length === 0) throw new Reject("not-found", "there is no message of that id");
    const full = eachOnce(found.filter(({ body }) => body !== null));
    const outcomes = await this.#log.append(full.map(message => erasureOf(message, this.#clock)));
    for (const outcome of outcomes) if (outcome.status === "refused") throw new Reject(outcome.code, outcome.message);
    const messages = eachOnce(found).map(({ room, author, authorName, hlc }) => ({
      room,
      author: { id: author, name: authorName },
      at: millisecondsOf(hlc),
    }));
    return { messages, scrubbed: await this.#log.scrub() };
  }

  async forget(node: string): Promise<{ id: string; name: string }> {
    if (!this.#cluster)
      throw new Reject("unreachable", "no node runs here: only one that runs knows which others are up");
    const { id, name, up } = findPeer(node, this.#cluster.peers());
    if (up) throw new Reject("not-allowed", `${name} is up: stop it first`);
    await writeFact("chat:forget", OPERATOR, { node: id }, { log: this.#log, clock: this.#clock });
    return { id, name };
  }

  async close(): Promise<void> {
    await this.#dropIncoming();
    await this.#log.close();
  }
}

/** The author of what an operator does in nobody's name. */
const OPERATOR = { id: "chat:operator", name: "operator" };

/** Characters of an id that stand for it: a name mistyped is not to be a beginning of one. */
const MIN_BEGINNING = 4;

/** The one peer that is meant; throws `Reject` with those that could be. */
function findPeer<Peer extends { id: string; name: string }>(node: string, peers: readonly Peer[]): Peer {
  const matches = [
    peers.filter(({ id }) => id === node),
    peers.filter(({ name }) => name === node),
    peers.filter(({ id }) => node.length >= MIN_BEGINNING && id.startsWith(node)),
  ].find(({ length }) => length > 0);
  if (matches?.length === 1) return matches[0] as Peer;
  const listed = (matches ?? peers).map(({ id, name }) => `${name} (${id})`).join(", ") || "none";
  if (matches) throw new Reject("invalid", `“${node}” means several nodes, say the id of one: ${listed}`);
  throw new Reject("not-found", `there is no other node “${node}” in this cluster; there are: ${listed}`);
}

/** One for each author and room: an erasure empties what its own author wrote, and tells those who read its own room. */
function eachOnce(messages: readonly Envelope[]): Envelope[] {
  return [...new Map(messages.map(message => [`${message.author}\n${message.room}`, message])).values()];
}

/** In the author's name, since that is whose messages an erasure empties; of the core's own type, which no client can send. */
function erasureOf({ room, author, authorName, id }: Envelope, clock: Clock): Draft {
  return {
    room,
    hlc: clock.tick(),
    type: "chat:erase",
    version: 1,
    role: "erase",
    author,
    authorName,
    id: uuid(),
    ref: id,
    alt: "Message removed",
    body: encode({}),
    blobs: [],
    extra: null,
  };
}
