/** A thread that holds one connection to the log: one writes, one reads, one searches, so that none waits for another. */
import { parentPort, workerData } from "node:worker_threads";
import { releaseMemory } from "../memory.ts";
import { type Call, packedIn } from "./calls.ts";
import { type Access, explain } from "./database.ts";
import { Search } from "./search.ts";
import { Store } from "./store.ts";

/** The node is ready by then, and has not had to wait for it. */
const RELEASE_AFTER_MS = 2_000;

/** Envelopes of peers, some 7 ms: fewer are not committed for others' sake, or a crowd that writes would keep them off the disk. */
const WORTH_A_COMMIT = 400;

const { path, access, awaited } = workerData as { path: string; access: Access; awaited: Int32Array };
const port = parentPort as NonNullable<typeof parentPort>;

try {
  const mayYield = (taken: number) => taken >= WORTH_A_COMMIT && Atomics.load(awaited, 0) === 1;
  const store: object = access === "search" ? new Search(path) : new Store(path, { access, mayYield });
  port.on("message", ({ id, name, args }: Call) => {
    try {
      const method = Reflect.get(store, name) as (...args: unknown[]) => unknown;
      const value = method.apply(store, args);
      port.postMessage({ id, value }, packedIn(value));
    } catch (error) {
      port.postMessage({ id, refused: explain(error).toJSON() });
    } finally {
      if (name === "close") port.close();
    }
  });
  port.postMessage({ id: 0, value: null });
  setTimeout(releaseMemory, RELEASE_AFTER_MS).unref();
} catch (error) {
  port.postMessage({ id: 0, refused: explain(error).toJSON() });
  port.close();
}
