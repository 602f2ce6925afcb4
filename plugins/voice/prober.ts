/**
 * A process that says what is in the files that it is sent, one after the other. It gives up on one that takes too much
 * time or memory, and ends with the process that started it.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Contents, Finding } from "./probes.ts";

/** Of the processor: a machine that is busy, or slept, says nothing about a file. An honest one takes some 50 ms. */
const MAX_CPU_MS = 2_000;
const WATCH_EVERY_MS = 50;
const HEAP_MB = 64;

process.on("disconnect", () => process.exit());
// A file comes in parts, after its size.
let file = new Uint8Array();
let filled = 0;
process.on("message", (part: number | Uint8Array) => {
  if (typeof part === "number") {
    file = new Uint8Array(part);
    filled = 0;
  } else {
    file.set(part, filled);
    filled += part.length;
  }
  if (filled === file.length) void look(file).then(finding => process.send?.(finding));
});
try {
  // Where memory ends, Linux is to end this process and not the node.
  writeFileSync("/proc/self/oom_score_adj", "1000");
} catch {
  // Another system, or one that does not let it.
}

let started: Promise<Worker> | undefined;

async function look(bytes: Uint8Array<ArrayBuffer>): Promise<Finding> {
  started ??= start();
  const thread = await started;
  const before = process.cpuUsage();
  return new Promise(resolve => {
    const watch = setInterval(() => {
      const { user, system } = process.cpuUsage(before);
      if (user + system > MAX_CPU_MS * 1_000) void thread.terminate();
    }, WATCH_EVERY_MS);
    const settle = (finding: Finding) => {
      clearInterval(watch);
      thread.removeAllListeners("message").removeAllListeners("exit");
      resolve(finding);
    };
    thread.once("message", (contents: Contents | undefined) => settle({ contents }));
    thread.once("exit", () => {
      started = undefined;
      settle({ exhausted: true });
    });
    thread.postMessage(bytes, [bytes.buffer]);
  });
}

/** Resolves when the thread takes files; rejects, and so ends this process, where it cannot be started. */
async function start(): Promise<Worker> {
  const thread = new Worker(new URL("./probe.ts", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: HEAP_MB / 4 },
    name: "voice probe",
  });
  await once(thread, "message");
  // Out of memory, mostly; its end follows.
  return thread.on("error", () => {});
}
