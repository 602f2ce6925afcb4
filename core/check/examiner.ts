/**
 * The process that runs a plugin's code for `web-chat check`: whatever that does, it is not the one that reports. It is the
 * same command once more, which finds in its environment what it is to examine.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownCommand } from "../plugins/watchdog/restart.ts";
import type { Finding } from "./findings.ts";

/** What a process found, or has found by now. */
export type Report = {
  /** What it is at, in words: `loading server.ts`. */
  readonly step: string;
  /** The file that this is about. */
  readonly file: string;
  readonly findings: readonly Finding[];
  /** What could not be looked into, and is no fault. */
  readonly notes: readonly Finding[];
  /** What was looked at. */
  readonly did: readonly string[];
  readonly ended: boolean;
};

/** The process is given its work in this variable: a folder that has the compiled modules, and takes the report. */
const VARIABLE = "WEB_CHAT_EXAMINES";
/** Each call and each test has its own time; many that are slow may come to more than anybody waits for. */
const WITHIN_MS = 5 * 60_000;

/** The folder that this process is to examine for another one; undefined where it is the one that reports. */
export function assigned(): string | undefined {
  const place = process.env[VARIABLE];
  delete process.env[VARIABLE];
  return place;
}

export function readReport(place: string): Report {
  return JSON.parse(readFileSync(join(place, "report.json"), "utf8")) as Report;
}

/** Is on disk when this returns, as the process may end at any time. */
export function writeReport(place: string, report: Report): void {
  writeFileSync(join(place, "report.json"), JSON.stringify(report));
}

/** What is found in the modules that were compiled into `place`. */
export async function examined(place: string): Promise<Pick<Report, "findings" | "notes" | "did">> {
  writeReport(place, { step: "starting", file: "", findings: [], notes: [], did: [], ended: false });
  const { file, args } = ownCommand();
  const env = { ...process.env, [VARIABLE]: place };
  // What the plugin itself prints is no finding.
  const stdio = ["ignore", process.stderr, process.stderr] as const;
  const child = spawn(file, args, { env, stdio: [...stdio], timeout: WITHIN_MS, killSignal: "SIGKILL" });
  const startedAt = performance.now();
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  const { step, file: about, findings, notes, did, ended } = readReport(place);
  if (ended) return { findings, notes, did };
  const late = performance.now() - startedAt >= WITHIN_MS;
  const what = late
    ? `${step} took more than ${WITHIN_MS / 60_000} minutes`
    : `${step} ended the whole process (${signal ?? `exit code ${code}`})`;
  const mend = late
    ? "everybody on a node waits meanwhile: a call may take 50 ms"
    : "it has to leave the process alone, and its memory has to have an end";
  return { findings: [...findings, { file: about, what, mend }], notes, did };
}
