/**
 * Runs the tests: `npm test`, or `npm test -- core browser` for the files whose path contains one of the words.
 * What begins with a dash goes to `node --test`: `npm test -- --test-name-pattern=resume`.
 */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

/** Tests wait for others more than half of their time: five take two cores. */
const AT_ONCE = Math.min(8, Math.floor(availableParallelism() * 2.5));

const root = join(import.meta.dirname, "..");
const asked = process.argv.slice(2);
const options = asked.filter(argument => argument.startsWith("-"));
const words = asked.filter(argument => !argument.startsWith("-")).map(word => word.replace(/^\.\//, ""));

const all = globSync("{test,plugins}/**/*.test.ts", { cwd: root }).map(path => path.replaceAll("\\", "/"));
const files = all.filter(path => words.length === 0 || words.some(word => path.includes(word))).sort();
if (files.length === 0) {
  console.error(`No file {test,plugins}/**/*.test.ts has a path that contains ${words.join(" or ")}.`);
  process.exit(1);
}

const runner = ["--test", `--test-concurrency=${AT_ONCE}`, "--test-timeout=120000", "--test-reporter=spec"];
// Each file is a process that loads the same modules.
const env = { ...process.env, NODE_COMPILE_CACHE: join(root, "node_modules/.cache/web-chat/compiled") };
const { status } = spawnSync(process.execPath, [...runner, ...options, ...files], { cwd: root, env, stdio: "inherit" });
process.exit(status ?? 1);
