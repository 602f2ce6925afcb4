/** The overseer's thread. */
import { isDeepStrictEqual } from "node:util";
import { parentPort, workerData } from "node:worker_threads";
import { innermost, type Place, placeAs } from "../plugins/sources.ts";
import { callOf } from "../plugins/watchdog/culprit.ts";
import { BEATS, CALL, CALLS } from "../plugins/watchdog/marks.ts";
import { Pause } from "../plugins/watchdog/pause.ts";
import { readReport, writeReport } from "./examiner.ts";
import type { Overseeing } from "./overseer.ts";

const { marks, place, hooks, stuckMs } = workerData as Overseeing;
const LOOK_MS = 200;
/** A busy machine takes its time; only a long call of the system takes all of it. */
const PAUSE_WITHIN_MS = 10_000;
/** Of the whole process: more than any plugin needs for a few messages, and less than a machine lacks. */
const MAX_MB = 1_024;

let types: readonly string[] = [];
let seen = look();
let stillMs = 0;

parentPort?.on("message", (names: readonly string[]) => {
  types = names;
});
void oversee();

async function oversee(): Promise<never> {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    const before = seen;
    seen = look();
    // A machine that slept, or is busy, counts for one look and no more.
    stillMs = isDeepStrictEqual(before, seen) ? stillMs + LOOK_MS : 0;
    if (process.memoryUsage.rss() > MAX_MB * 1024 * 1024)
      await end(`took more than ${MAX_MB} MB of memory`, "what it collects has to have an end");
    else if (stillMs >= stuckMs)
      await end("never returned", "look at the loop, or the regular expression: it has to end whatever is sent");
  }
}

function look(): number[] {
  return [CALL, CALLS, BEATS].map(index => Atomics.load(marks, index));
}

/** Notes what the plugin does now, and ends the process: nothing else stops it. Where it does nothing, all goes on. */
async function end(did: string, mend: string): Promise<void> {
  const call = callOf(Atomics.load(marks, CALL), { types, hooks });
  const pause = await Pause.begin(PAUSE_WITHIN_MS);
  const inside = innermost(pause?.frames ?? []);
  const goesOn = stillMs > 0 && !isDeepStrictEqual(seen, look());
  // A busy machine keeps check itself, too.
  if (goesOn || (pause && !call && !inside)) {
    pause?.end();
    stillMs = 0;
    return;
  }
  const report = readReport(place);
  const where: Place = placeAs(inside, { file: report.file });
  const what = call ? `${call.hook} of “${call.type}” ${did}` : `${report.step} ${did}`;
  writeReport(place, { ...report, findings: [...report.findings, { ...where, what, mend }], ended: true });
  process.kill(process.pid, "SIGKILL");
}
