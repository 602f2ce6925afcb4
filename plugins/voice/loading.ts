/** What the page loads of this plugin later on: the node that it comes from may be away just then. */
const RETRY_MS = 1_000;

/** What `load` resolves with, once it does. */
export async function untilLoaded<Loaded>(load: () => Promise<Loaded>): Promise<Loaded> {
  for (;;) {
    try {
      return await load();
    } catch {
      await new Promise(done => setTimeout(done, RETRY_MS));
    }
  }
}
