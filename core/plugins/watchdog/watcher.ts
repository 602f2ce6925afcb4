/** The watchdog's thread. */
import { writeSync } from "node:fs";
import { hostname } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { type Off, offInEnvironment, switchOff } from "../off.ts";
import { type Culprit, culpritOf, wordsFor } from "./culprit.ts";
import { DEBUGGED } from "./marks.ts";
import { Pause } from "./pause.ts";
import { inPlace, replace } from "./restart.ts";
import { Stillness } from "./stillness.ts";
import type { Watching } from "./watchdog.ts";

const { marks, folders, compiled, dataDir, hooks, stuckMs, command, terminal } = workerData as Watching;
const LOOK_MS = Math.min(1_000, stuckMs / 5);
/** What has not come to JavaScript by then sits in a long call of the system. */
const PAUSE_WITHIN_MS = 3_000;
const RESTART_WITHIN_MS = 3_000;
/** A built-in type that hangs again would go on to: restarting more often helps nobody. */
const RESTART_EVERY_MS = 60 * 60 * 1_000;
/** When the node was restarted for a built-in type, in milliseconds since 1970. */
const RESTARTED = "WEB_CHAT_RESTARTED_AT";

let types: readonly string[] = [];
let told = false;
const stillness = new Stillness(marks, LOOK_MS);

parentPort?.on("message", (names: readonly string[]) => {
  types = names;
});
void watch();

async function watch(): Promise<never> {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    const stillMs = stillness.look();
    if (stillMs === 0) told = false;
    if (stillMs < stuckMs || Atomics.load(marks, DEBUGGED) === 1) continue;
    await judge();
    stillness.forget();
  }
}

/** Of a main thread that stands still. */
async function judge(): Promise<void> {
  const pause = await Pause.begin(PAUSE_WITHIN_MS);
  const culprit = culpritOf(marks, pause?.frames ?? [], { folders, compiled, hooks, types });
  const goesOn = stillness.isOver;
  if (!goesOn && culprit && (culprit.folder !== undefined || !restartedLately())) return restart(culprit, pause);
  pause?.end();
  if (goesOn || told) return;
  told = true;
  const { name, url, line = 0 } = pause?.frames[0] ?? {};
  const details = { ...culprit, stuckMs, ...(pause && { at: `${name} ${url}:${line + 1}` }) };
  say("warn", details, culprit ? wordsFor(culprit) : `this node has stood still for ${stuckMs} ms, in no plugin`);
}

function restartedLately(): boolean {
  return Date.now() - Number(process.env[RESTARTED] ?? 0) < RESTART_EVERY_MS;
}

async function restart(culprit: Culprit, pause: Pause | undefined): Promise<never> {
  const { folder, where } = culprit;
  const why = wordsFor(culprit);
  if (folder === undefined) {
    say("error", { ...culprit, stuckMs }, `${why}: this node restarts`);
    return renew({ [RESTARTED]: String(Date.now()) }, pause);
  }
  const off = { why, where };
  const refused = switchedOff(folder, off);
  const details = { ...culprit, stuckMs, ...(refused && { unwritten: refused }) };
  say("error", details, `${why}: it is switched off, and this node restarts`);
  return renew(refused === undefined ? {} : offInEnvironment(folder, off), pause);
}

/** What keeps the marker from being written, if anything does. */
function switchedOff(folder: string, off: Off): string | undefined {
  try {
    switchOff(dataDir, folder, off);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function renew(variables: Record<string, string>, pause: Pause | undefined): Promise<never> {
  const failure = await pause?.run(inPlace(command, variables), RESTART_WITHIN_MS);
  if (failure !== undefined)
    say("warn", { why: failure }, "this process cannot restart in place: another one takes over");
  return replace(command, variables);
}

/** A line of the node's log, written at once: what writes that otherwise stands still. */
function say(level: "warn" | "error", details: object, message: string): void {
  const time = new Date();
  const line = terminal
    ? `[${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}] ${level.toUpperCase()}: ${message} ${JSON.stringify(details)}`
    : JSON.stringify({
        level: level === "warn" ? 40 : 50,
        time: time.getTime(),
        pid: process.pid,
        hostname: hostname(),
        ...details,
        msg: message,
      });
  try {
    writeSync(1, `${line}\n`);
  } catch {
    // A log that takes nothing now is no reason to stand still any longer.
  }
}
