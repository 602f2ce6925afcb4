/** A node that has a type for files besides the built-in ones, for benches and tests. Settings as for web-chat; ends at SIGTERM. */
import { join } from "node:path";
import { readConfig } from "../../core/config.ts";
import { startNode } from "../../core/node.ts";
import type { Given } from "../../core/settings.ts";
import plugins from "../../plugins/server.ts";
import { file } from "../file-type.ts";

const { url, zmqPort, dataDir, stop } = await startNode({
  config: readConfig({ ...process.env } as Given),
  plugins: [...plugins, file],
  version: "bench",
  ui: join(import.meta.dirname, "../../dist/ui"),
  logger: { info() {}, warn: (details, message) => console.error(message, details), error: console.error },
});
process.once("SIGTERM", () => void stop().then(() => process.exit()));
console.log(JSON.stringify({ url, zmqPort, dataDir }));
