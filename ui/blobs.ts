/** Where files are: at the node that this page is connected to or, until they are uploaded, in this browser. */
import type { Answer } from "./connection.ts";
import type { Item } from "./outbox.ts";
import { lastPlace } from "./places.ts";
import { pluginOf } from "./registry.ts";

/** The addresses of the files that this browser keeps, by hash. */
export const here = new Map<string, string>();
let ticket = "";

/** This opens files from now on. */
export function admit(newTicket: string): void {
  ticket = newTicket;
  // Files have to be kept just when there is no node that this could be loaded from.
  files().catch(() => {});
}

export function blobUrl(hash: string): string {
  return here.get(hash) ?? `${lastPlace()}/blobs/${hash}?ticket=${ticket}`;
}

/** The files that a message refers to. */
export function blobsOf({ type, body }: Pick<Item, "type" | "body">): readonly string[] {
  return pluginOf(type)?.message.blobs?.(body) ?? [];
}

/** What deals with files that are kept: loaded where there are any. */
export const files = () => import("./files.ts");

/** Gives the node whatever this browser still keeps of them. */
export async function upload(hashes: readonly string[]): Promise<Answer<unknown>> {
  return files()
    .then(({ uploadFiles }) => uploadFiles(hashes))
    .catch(() => ({ ok: false, code: "offline", message: "not uploaded" }));
}

/** Lets go of the files of what was sent, or given up. */
export function release(item: Item): void {
  const hashes = blobsOf(item);
  if (hashes.length > 0)
    files()
      .then(({ dropFiles }) => dropFiles(hashes))
      .catch(() => {});
}
