/** What a start leaves behind on the heap is given back to the system, which otherwise nothing would do while a node idles. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects all garbage of the calling thread at once, some 10 ms: call it when starting is over. */
export function releaseMemory(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (how: object) => void;
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
