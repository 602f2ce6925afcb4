/**
 * A process that says what is in the files that it is sent, one after the other. It gives up on one that takes too much
 * time or memory, and ends with the process that started it.
 */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { Contents, Finding, Task } from "./prober.ts";

const WATCH_EVERY_MS = 25;
const HEAP_MB = 32;

let thread: Promise<Worker> | undefined;
let task: Task;
let file = new Uint8Array();
let filled = 0;

process.on("disconnect", () => process.exit());
process.on("message", (told: Task | Uint8Array) => {
  if (told instanceof Uint8Array) {
    file.set(told, filled);
    filled += told.length;
  } else {
    task = told;
    file = new Uint8Array(task.size);
    filled = 0;
  }
  if (filled === task.size) void look(file, task.cpuMs).then(finding => process.send?.(finding));
});
try {
  // Where memory ends, Linux is to end this process and not the node.
  writeFileSync("/proc/self/oom_score_adj", "1000");
} catch {
  // Another system, or one that does not let it.
}

async function look(bytes: Uint8Array<ArrayBuffer>, cpuMs: number): Promise<Finding> {
  thread ??= start();
  const looking = await thread;
  const before = process.cpuUsage();
  return new Promise(resolve => {
    const watch = setInterval(() => {
      const { user, system } = process.cpuUsage(before);
      if (user + system > cpuMs * 1_000) void looking.terminate();
    }, WATCH_EVERY_MS);
    const answered = (contents: Contents | undefined) => settle({ contents });
    const ended = () => settle({ exhausted: true });
    const settle = (finding: Finding) => {
      clearInterval(watch);
      looking.off("message", answered).off("exit", ended);
      resolve(finding);
    };
    looking.on("message", answered).on("exit", ended);
    looking.postMessage(bytes, [bytes.buffer]);
  });
}

/** Resolves when the thread takes files; rejects, and so ends this process, where it cannot be started. */
async function start(): Promise<Worker> {
  const started = new Worker(new URL("./probe.ts", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: HEAP_MB / 4 },
    name: "voice probe",
  });
  await once(started, "message");
  // Out of memory, mostly; its end follows.
  started.on("error", () => {});
  return started.on("exit", () => {
    thread = undefined;
  });
}
