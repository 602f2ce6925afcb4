/**
 * A program with a watchdog, for its tests: `node watched.ts <data dir> <hook> <stuckMs>` loads the plugin folder `poll`,
 * calls that hook of it, and tells what it does as JSON lines.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { offFor } from "../../core/plugins/off.ts";
import { CALL, CALLS } from "../../core/plugins/watchdog/marks.ts";
import { predecessorGone } from "../../core/plugins/watchdog/restart.ts";
import { Watchdog } from "../../core/plugins/watchdog/watchdog.ts";

const [dataDir = "", hook = "", stuckMs] = process.argv.slice(2);
const tell = (said: object) => console.log(JSON.stringify({ pid: process.pid, ...said }));
const HOOKS = ["hooks", "tick"];

await predecessorGone();
const off = offFor(dataDir, "poll", "", error => tell({ failed: error.message }));
tell({ started: true, off, restartedAt: process.env.WEB_CHAT_RESTARTED_AT });
// It ends with the test, as a successor that nobody knows has to.
process.stdin.on("end", () => process.exit()).resume();

if (!off) {
  const compiled = join(dataDir, "compiled");
  const folders = hook === "builtIn" ? [] : ["poll"];
  const failed = (error: Error) => tell({ failed: error.message });
  const watchdog = Watchdog.start({ folders, compiled, dataDir, hooks: HOOKS, stuckMs: Number(stuckMs) }, failed);
  watchdog.types(["text", "poll.vote"]);
  const module = readdirSync(compiled).find(name => name.endsWith(".mjs")) as string;
  const load = () => import(pathToFileURL(join(compiled, module)).href);
  const { default: plugin } = await watchdog.loading("poll", load);
  tell({ loaded: true });
  // The first call marks what it is in: the hook `tick` of the second type.
  Atomics.store(watchdog.marks, CALL, HOOKS.length + 2);
  Atomics.add(watchdog.marks, CALLS, 1);
  const result = plugin[hook](tell);
  Atomics.store(watchdog.marks, CALL, 0);
  await result;
  tell({ returned: true });
}
