/**
 * What a dropped-in plugin throws where nobody can catch it: in a timer of its own, or in a promise that it does not wait
 * for. Node.js would end the process.
 */
import { folderOf } from "./places.ts";

/**
 * From now on `told` hears of those; what no plugin has thrown ends the process as ever. Returns what ends it. An error that
 * has no frame of the plugin in its stack, as of a socket that the plugin forgot to listen to, cannot be told apart.
 */
export function catchStrays(told: (folder: string, error: unknown) => void): () => void {
  const caught = (error: unknown) => {
    const folder = folderOf(error);
    if (folder !== undefined) return told(folder, error);
    stop();
    // Thrown from here it would be a fault of this listener.
    process.nextTick(() => {
      throw error;
    });
  };
  // Of promises, too: Node.js hands on what nobody has handled.
  process.on("uncaughtException", caught);
  const stop = () => void process.off("uncaughtException", caught);
  return stop;
}
