/** A copy of a folder of blobs, whether or not a node is writing to it. */
import { join } from "node:path";
import { asReject } from "../errors.ts";
import { BlobFiles, blobsIn, readBlob } from "./files.ts";

/**
 * Copies what is not in `to` yet; resolves with the size in bytes of all of it when it is on disk. What is damaged, or removed
 * meanwhile, is left out: a node that starts on the copy fetches it from others. Throws `Reject` where `to` cannot take it.
 */
export async function copyBlobs(from: string, to: string): Promise<number> {
  let bytes = 0;
  let target: BlobFiles | undefined;
  for await (const { hash, size } of blobsIn(from)) {
    target ??= await BlobFiles.open(to);
    if (target.has(hash) || (await copyInto(target, from, hash))) bytes += size;
  }
  return bytes;
}

/** Whether it was there, and whole. */
async function copyInto(target: BlobFiles, from: string, hash: string): Promise<boolean> {
  const incoming = await target.receive();
  try {
    for await (const chunk of readBlob(join(from, hash.slice(0, 2), hash))) await incoming.write(chunk);
    await incoming.finish(hash);
    return true;
  } catch (error) {
    await incoming.abandon();
    if (["invalid", "not-found"].includes(asReject(error).code)) return false;
    throw error;
  }
}
