/** Why a disk did not do something with a blob. */
import { Reject } from "../errors.ts";

/** What failed when a blob was read, as a `Reject` in words for people; what did not come from the disk as it is. */
export function asReadError(error: unknown): unknown {
  return isOfDisk(error) && error.code === "ENOENT"
    ? new Reject("not-found", "this node does not hold that blob")
    : asWriteError(error);
}

/** As `asReadError`, when one was written. */
export function asWriteError(error: unknown): unknown {
  if (!isOfDisk(error)) return error;
  return new Reject(error.code === "ENOSPC" || error.code === "EDQUOT" ? "no-space" : "storage-failed");
}

function isOfDisk(error: unknown): error is NodeJS.ErrnoException {
  return !(error instanceof Reject) && typeof (error as NodeJS.ErrnoException).code === "string";
}
