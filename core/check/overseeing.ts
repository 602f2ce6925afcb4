/** The overseer's thread. */
import { parentPort, workerData } from "node:worker_threads";
import { innermost, type Place, placeAs } from "../plugins/sources.ts";
import { callOf } from "../plugins/watchdog/culprit.ts";
import { CALL } from "../plugins/watchdog/marks.ts";
import { Pause } from "../plugins/watchdog/pause.ts";
import { Stillness } from "../plugins/watchdog/stillness.ts";
import { readReport, writeReport } from "./examiner.ts";
import type { Overseeing } from "./overseer.ts";

const { marks, place, hooks, stuckMs } = workerData as Overseeing;
const LOOK_MS = Math.min(200, stuckMs / 5);
/** A busy machine takes its time; only a long call of the system takes all of it. */
const PAUSE_WITHIN_MS = 10_000;
/** Of the whole process: more than any plugin needs for a few messages, and less than a machine lacks. */
const MAX_MB = 1_024;

let types: readonly string[] = [];
const stillness = new Stillness(marks, LOOK_MS);

parentPort?.on("message", (names: readonly string[]) => {
  types = names;
});
void oversee();

async function oversee(): Promise<never> {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    const stillMs = stillness.look();
    if (process.memoryUsage.rss() > MAX_MB * 1024 * 1024)
      await end(`took more than ${MAX_MB} MB of memory`, "what it collects has to have an end");
    else if (stillMs >= stuckMs)
      await end("never returned", "look at the loop, or the regular expression: it has to end whatever is sent", true);
  }
}

/** Notes what the plugin does now, and ends the process: nothing else stops it. Where it does nothing, all goes on. */
async function end(did: string, mend: string, isStill = false): Promise<void> {
  const call = callOf(Atomics.load(marks, CALL), { types, hooks });
  const pause = await Pause.begin(PAUSE_WITHIN_MS);
  const inside = innermost(pause?.frames ?? []);
  const goesOn = isStill && stillness.isOver;
  // A busy machine keeps check itself, too.
  if (goesOn || (pause && !call && !inside)) {
    pause?.end();
    stillness.forget();
    return;
  }
  const report = readReport(place);
  const where: Place = placeAs(inside, { file: report.file });
  const what = call ? `${call.hook} of “${call.type}” ${did}` : `${report.step} ${did}`;
  writeReport(place, { ...report, findings: [...report.findings, { ...where, what, mend }], ended: true });
  process.kill(process.pid, "SIGKILL");
}
