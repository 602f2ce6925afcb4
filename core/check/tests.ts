/** The tests that a plugin's author wrote, run. */
import { once } from "node:events";
import { basename } from "node:path";
import { run } from "node:test";
import { whyOf } from "../plugins/calls/thrown.ts";
import { placeAs, placeOf } from "../plugins/sources.ts";
import type { Finding } from "./findings.ts";

export const TEST = /\.test\.[jt]sx?$/;
const WITHIN_MS = 10_000;
/** A run ends when nothing is open any more. Where the plugin leaves something open, it has when nothing happened for so long. */
const QUIET_MS = 2_000;

/** What fails of the tests in these files, of which `moduleOf` is the path of each as a module. */
export async function faultsOfTests(files: readonly string[], moduleOf: (file: string) => string): Promise<Finding[]> {
  if (files.length === 0) return [];
  const findings: Finding[] = [];
  const stream = run({ files: files.map(moduleOf), isolation: "none", timeout: WITHIN_MS });
  stream.on("test:fail", ({ name, file, details: { error, type } }) => {
    if (type === "suite") return;
    const cause = (error as Error).cause ?? error;
    const at = files.find(test => file?.endsWith(basename(moduleOf(test)))) ?? files[0] ?? "";
    findings.push({
      ...placeAs(placeOf(cause), { file: at }),
      what: `the test “${name}” fails: ${whyOf(cause)}`,
      mend: "mend the code, or the test",
    });
  });
  await Promise.race([once(stream.resume(), "end"), quiet(stream)]);
  return findings;
}

/** Resolves when no test runs, and something else keeps the process. */
function quiet(stream: ReturnType<typeof run>): Promise<void> {
  return new Promise(resolve => {
    const running = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const changed = () => {
      clearTimeout(timer);
      if (running.size === 0) timer = setTimeout(resolve, QUIET_MS).unref();
    };
    const keyOf = ({ file, line, column, name }: { file?: string; line?: number; column?: number; name: string }) =>
      [file, line, column, name].join(":");
    stream.on("test:enqueue", test => {
      running.add(keyOf(test));
      changed();
    });
    stream.on("test:complete", test => {
      running.delete(keyOf(test));
      changed();
    });
    changed();
  });
}
