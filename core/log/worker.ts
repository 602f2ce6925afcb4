/** A thread that holds one connection to the log: one writes, one reads, so that neither waits for the other. */
import { parentPort, workerData } from "node:worker_threads";
import { asReject, type Reject } from "../errors.ts";
import { Store } from "./store.ts";

export type Call = { id: number; name: string; args: unknown[] };
export type Answer = { id: number; value: unknown } | { id: number; refused: ReturnType<Reject["toJSON"]> };

const { path, readOnly } = workerData as { path: string; readOnly: boolean };
const port = parentPort as NonNullable<typeof parentPort>;

function refusal(error: unknown): ReturnType<Reject["toJSON"]> {
  const reject = asReject(error);
  if (reject.code === "internal") console.error(error);
  return reject.toJSON();
}

try {
  const store = new Store(path, { readOnly });
  port.on("message", ({ id, name, args }: Call) => {
    try {
      const method = store[name as keyof Store] as (...args: unknown[]) => unknown;
      port.postMessage({ id, value: method.apply(store, args) });
      if (name === "close") port.close();
    } catch (error) {
      port.postMessage({ id, refused: refusal(error) });
    }
  });
  port.postMessage({ id: 0, value: null });
} catch (error) {
  port.postMessage({ id: 0, refused: refusal(error) });
  port.close();
}
