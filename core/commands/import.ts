/** `web-chat import`: what a file holds, into a node. */
import { type FileHandle, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Administration } from "../administration.ts";
import { ArchiveReader, type Read } from "../archive.ts";
import type { Head } from "../chain.ts";
import { frameBytes } from "../envelope.ts";
import { Reject } from "../errors.ts";
import { asFileError } from "../files.ts";
import { administer, type Place } from "./administer.ts";

/** How many envelopes were new, and how many were there already. */
export type Imported = { stored: number; known: number };

type Heads = Readonly<Record<string, Head>>;

const BATCH_MAX_COUNT = 1_000;
const BATCH_MAX_BYTES = 512 * 1024;

/**
 * Reads the file to its end before anything is stored, and throws `Reject` where it is damaged or contradicts what the node
 * holds; `-` is the standard input. Then it stores in the file's order: whatever ends it half-way leaves a beginning of the
 * file behind, and importing again adds the rest.
 */
export async function importFrom(file: string, place: Place): Promise<Imported> {
  const source = await openSource(file);
  try {
    // A fresh machine has no database yet, and this is how it gets one.
    return await administer(place, node => importInto(node, source), { mayMake: true });
  } catch (error) {
    throw asFileError(error, nameOf(file));
  } finally {
    await source.close();
  }
}

async function importInto(node: Administration, source: FileHandle): Promise<Imported> {
  const read = () => ArchiveReader.open(source.createReadStream({ start: 0, autoClose: false }));
  const { heads, origin } = await node.standing();
  const archive = await read();
  await assertAgrees(node, heads, archive);
  if (origin !== undefined) await leaveStream(node, origin, heads, archive.about.heads);
  return append(node, heads, await read());
}

/** Reads all of it; throws `Reject` where it is damaged, or what both have of a stream differs. */
async function assertAgrees(node: Administration, heads: Heads, archive: ArchiveReader): Promise<void> {
  const shared = Object.fromEntries(
    Object.entries(archive.about.heads).flatMap(([origin, { seq }]) => {
      const held = heads[origin];
      return held ? [[origin, Math.min(seq, held.seq)]] : [];
    }),
  );
  const chains = await node.chainsAt(shared);
  for await (const { envelope, chain, line } of archive.envelopes())
    if (envelope.seq === shared[envelope.origin] && chain !== chains[envelope.origin])
      throw conflict(envelope.origin, `at line ${line} or before`);
}

/**
 * A file that continues the node's own stream comes from a later state of this node: its database is an older copy. What it
 * wrote next could have a place that others, who heard of that later state, know to be taken. So it begins a new stream.
 */
async function leaveStream(node: Administration, origin: string, heads: Heads, ends: Heads): Promise<void> {
  const held = heads[origin]?.seq ?? 0;
  if ((ends[origin]?.seq ?? 0) <= held) return;
  if (!(await node.abandon(origin, held))) throw conflict(origin, "since the node has just written to it");
}

/** Stores what the node lacks: one batch is under way while the next one is read. */
async function append(node: Administration, heads: Heads, archive: ArchiveReader): Promise<Imported> {
  const imported = { stored: 0, known: 0 };
  let batch: Read[] = [];
  let bytes = 0;
  let committing: Promise<void> | undefined;
  const commit = async (batch: readonly Read[]) => {
    const stored = await node.append(batch.map(({ envelope }) => envelope));
    if (stored < batch.length) await assertHolds(node, batch);
    imported.stored += stored;
    imported.known += batch.length - stored;
  };
  let unwanted: string | undefined;
  for await (const read of archive.entries()) {
    if ("isLast" in read) {
      if (read.hash !== unwanted && !(await node.keepBlob(read))) unwanted = read.hash;
      continue;
    }
    if (read.envelope.seq <= (heads[read.envelope.origin]?.seq ?? 0)) {
      imported.known++;
      continue;
    }
    batch.push(read);
    bytes += frameBytes(read.envelope);
    if (batch.length < BATCH_MAX_COUNT && bytes < BATCH_MAX_BYTES) continue;
    await committing;
    committing = commit(batch);
    // It is looked at when the next one is ready, and is no unhandled rejection until then.
    committing.catch(() => {});
    batch = [];
    bytes = 0;
  }
  await committing;
  if (batch.length > 0) await commit(batch);
  return imported;
}

/** What was not stored came from a peer meanwhile; throws `Reject` where that was something else. */
async function assertHolds(node: Administration, batch: readonly Read[]): Promise<void> {
  const last = new Map(batch.map(({ envelope, chain }) => [envelope.origin, { seq: envelope.seq, chain }]));
  const chains = await node.chainsAt(Object.fromEntries([...last].map(([origin, { seq }]) => [origin, seq])));
  for (const [origin, { chain }] of last)
    if (chains[origin] !== chain)
      throw conflict(origin, "since the import began; what came before it in the file is stored");
}

function conflict(origin: string, where: string): Reject {
  return new Reject("archive-conflict", `stream ${origin} is another one on this node, ${where}`);
}

/** The file, open to be read twice. What comes through a pipe is put into a file first. */
async function openSource(file: string): Promise<FileHandle> {
  try {
    const handle = file === "-" ? undefined : await open(file, "r");
    if ((await handle?.stat())?.isFile()) return handle as FileHandle;
    return await spool(handle?.createReadStream() ?? process.stdin);
  } catch (error) {
    throw asFileError(error, nameOf(file));
  }
}

const nameOf = (file: string) => (file === "-" ? "the standard input" : file);

async function spool(input: NodeJS.ReadableStream): Promise<FileHandle> {
  const folder = await mkdtemp(join(tmpdir(), "web-chat-import-"));
  let handle: FileHandle | undefined;
  try {
    handle = await open(join(folder, "archive"), "wx+", 0o600);
    // Its text is nobody else's business: where the system can, it has no name from here on, whatever ends this.
    await rm(folder, { recursive: true }).catch(() => {});
    // Not through a stream: one that is left open keeps the handle from closing.
    await writeFile(handle, input);
    return handle;
  } catch (error) {
    await handle?.close();
    const isFull = ["ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "");
    throw isFull ? asFileError(error, tmpdir()) : error;
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}
