/** `web-chat check` that waits for less long: `node checked.ts <folder> <stuckMs>`. */
import { join } from "node:path";
import { check } from "../../core/commands/check.ts";
import plugins from "../../plugins/server.ts";

const [folder = "", stuckMs] = process.argv.slice(2);
const { text, sound } = await check(folder, plugins, join(import.meta.dirname, "../../dist/ui"), Number(stuckMs));
console.log(text);
if (!sound) process.exitCode = 1;
