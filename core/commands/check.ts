/** `web-chat check`: whether a plugin folder keeps the contract; and where not, what to do. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { compiledIn, Examination } from "../check/examination.ts";
import { assigned, examined } from "../check/examiner.ts";
import { type Finding, findingOf, told } from "../check/findings.ts";
import { SAMPLES } from "../check/samples.ts";
import { TEST } from "../check/tests.ts";
import { typesOf } from "../check/types.ts";
import { Reject } from "../errors.ts";
import type { AnyServerPlugin } from "../plugin.ts";
import { compileClient, compileForCheck, compileServer, stopCompiling } from "../plugins/compile/compile.ts";
import { type PageModules, readModules } from "../plugins/compile/imports.ts";
import { fileOf, lookalike, type PluginFolder } from "../plugins/folders.ts";
import { faultOfName, mendOfName } from "../plugins/names.ts";
import { STUCK_MS } from "../plugins/watchdog/watchdog.ts";

/**
 * What was found, as text; `sound` where nothing was. `ui` is where the page was built to. A call that keeps the thread for
 * `stuckMs` never returns: a node would be restarted then. Throws `Reject` where there is no plugin to check.
 */
export async function check(
  path: string,
  builtIn: readonly AnyServerPlugin[],
  ui: string,
  stuckMs: number = STUCK_MS,
): Promise<{ text: string; sound: boolean }> {
  const folder = { name: basename(resolve(path)), path: resolve(path) };
  if (!(await stat(folder.path).catch(() => undefined))?.isDirectory())
    throw new Reject("file-unusable", `${folder.path} is no folder`);
  const place = assigned();
  if (place !== undefined) return new Examination(folder, place, stuckMs).run(await readdir(folder.path));
  const modules = readModules(ui);
  if (!modules) throw new Reject("file-unusable", `the page is missing in ${ui}: npm run build makes it`);
  const { findings, notes, did } = faultOfFolder(folder, builtIn) ?? (await inspect(folder, modules));
  const all = unique(findings);
  const summary =
    all.length === 0 ? `${folder.name} is sound (${did.join(", ")})` : `${folder.name}: ${all.length} to mend`;
  const lines = [...all, ...notes].map(finding => told(finding, path));
  return { text: [...lines, summary].join("\n"), sound: all.length === 0 };
}

/** `notes` are no faults: what could not be looked into. */
type Inspected = { findings: readonly Finding[]; notes: readonly Finding[]; did: readonly string[] };

/** What says all there is to say of it. */
function faultOfFolder({ name, path }: PluginFolder, builtIn: readonly AnyServerPlugin[]): Inspected | undefined {
  const only = (what: string, mend: string) => ({ findings: [{ file: "", what, mend }], notes: [], did: [] });
  const fault = faultOfName(name, builtIn);
  if (fault) return only(`“${name}” ${fault}`, mendOfName(name));
  if (fileOf(path, "message")) return undefined;
  const near = lookalike(path, "message");
  const mend = near ? `there is a ${near}: is that meant?` : "web-chat new writes a folder that has all that it takes";
  return only("there is no message.ts", mend);
}

async function inspect(folder: PluginFolder, modules: PageModules): Promise<Inspected> {
  const names = (await readdir(folder.path)).sort();
  const others = names.filter(name => SAMPLES.test(name) || TEST.test(name));
  const halves = (["server", "client"] as const).flatMap(half => fileOf(folder.path, half) ?? []);
  const place = await mkdtemp(join(tmpdir(), "web-chat-check-"));
  try {
    const [server, client, both] = await Promise.all([
      compileServer(folder),
      compileClient(folder, modules),
      compileForCheck(folder, [...halves, ...others]),
    ]);
    const slips = [...server.slips, ...client.slips].map(findingOf);
    const problems = [server, client, both].flatMap(({ problems }) => problems).map(findingOf);
    // What TypeScript makes of a file that cannot be read is many words about the same.
    if (problems.length > 0) return { did: [], notes: [], findings: [...problems, ...slips] };
    const out = compiledIn(place);
    await mkdir(out, { recursive: true });
    for (const [name, contents] of both.outputs) await writeFile(join(out, name), contents);
    const [{ findings, notes, did }, types] = await Promise.all([examined(place), typesOf(folder.path)]);
    return {
      findings: [...findings, ...slips, ...types.findings],
      notes: [...notes, ...types.unchecked],
      did: [...did, types.did],
    };
  } finally {
    await stopCompiling();
    await rm(place, { recursive: true, force: true });
  }
}

/** Each thing once, though both halves have the file that it is in. */
function unique(findings: readonly Finding[]): Finding[] {
  const known = new Map(
    findings.map(finding => [`${finding.file}:${finding.line}:${finding.column}:${finding.what}`, finding]),
  );
  return [...known.values()];
}
