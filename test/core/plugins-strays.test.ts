/** What is thrown where nobody can catch it: a plugin's is told of, and any other ends the process as it always did. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const STRAYS = new URL("../../core/plugins/strays.ts", import.meta.url).href;
const FRAME = `at tick (${pathToFileURL("/data/cache/plugins/poll-AB12CD34.mjs").href}:1:2)`;

/** Ends by itself a moment after that was thrown, unless it is ended by it. */
function throwing(what: string): { status: number | null; out: string; error: string } {
  const program = `
    import { catchStrays } from "${STRAYS}";
    catchStrays((folder, error) => console.log(folder, error.message));
    const own = new Error("own");
    const poll = Object.assign(new Error("poll's"), { stack: "Error: poll's\\n    ${FRAME}" });
    ${what};
    setTimeout(() => console.log("goes on"), 50);
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program]);
  return { status, out: String(stdout), error: String(stderr) };
}

for (const how of ["setTimeout(() => { throw it; })", "void Promise.reject(it)"]) {
  test(`a plugin is named by its frames, and the process goes on: ${how}`, () => {
    assert.deepEqual(throwing(how.replace("it", "poll")), { status: 0, out: "poll poll's\ngoes on\n", error: "" });
  });

  test(`what no plugin has thrown ends the process, with its stack: ${how}`, () => {
    const { status, out, error } = throwing(how.replace("it", "own"));
    assert.deepEqual([status, out], [1, ""]);
    assert.match(error, /Error: own\n +at /);
  });
}
