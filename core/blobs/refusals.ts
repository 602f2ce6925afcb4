/** Why a disk did not do something with a blob. */
import { Reject } from "../errors.ts";

/** What a disk refused to do with a blob, as a `Reject` in words for people; any other error as it is. */
export function asDiskError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof Reject || typeof code !== "string") return error;
  if (code === "ENOENT") return new Reject("not-found", "this node does not hold that blob");
  return new Reject(code === "ENOSPC" || code === "EDQUOT" ? "no-space" : "storage-failed");
}
