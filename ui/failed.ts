/** A plugin failed in this page: its console says so, and so does the node. */

export function failed(type: string, error: unknown): void {
  console.error(`${type}:`, error);
  tellNode(type, error);
}

/** What the console has said already. */
export function tellNode(plugin: string, error: unknown): void {
  loadReporter()
    .then(({ report }) => report(plugin, error))
    .catch(() => {});
}

/** Where it was not loaded before, it cannot be while the node that the page came from is away. */
export const loadReporter = () => import("./failures.ts");
