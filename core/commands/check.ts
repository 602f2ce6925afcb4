/** `web-chat check`: whether a plugin folder keeps the contract; and where not, what to do. */
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { compiledIn, Examination } from "../check/examination.ts";
import { assigned, examined } from "../check/examiner.ts";
import { type Finding, findingOf, told } from "../check/findings.ts";
import { SAMPLES } from "../check/samples.ts";
import { TEST } from "../check/tests.ts";
import { type Typed, typesOf } from "../check/types.ts";
import { Reject } from "../errors.ts";
import type { AnyServerPlugin } from "../plugin.ts";
import { compileClient, compileForCheck, compileServer, stopCompiling } from "../plugins/compile/compile.ts";
import { CONTRACT_KEY } from "../plugins/compile/imports.ts";
import { fileOf, type PluginFolder } from "../plugins/folders.ts";
import { faultOfName } from "../plugins/names.ts";
import { STUCK_MS } from "../plugins/watchdog/watchdog.ts";

/** Where the page has them does not matter here. */
const PAGE = Object.fromEntries(
  ["preact", "preact/hooks", "preact/jsx-runtime", "@preact/signals", CONTRACT_KEY].map(name => [
    name,
    "assets/page.js",
  ]),
);

/**
 * What was found, as text; `sound` where nothing was. A call that keeps the thread for `stuckMs` never returns: a node would
 * be restarted then. Throws `Reject` where there is no plugin to check.
 */
export async function check(
  path: string,
  builtIn: readonly AnyServerPlugin[],
  stuckMs: number = STUCK_MS,
): Promise<{ text: string; sound: boolean }> {
  const folder = { name: basename(resolve(path)), path: resolve(path) };
  if (!(await stat(folder.path).catch(() => undefined))?.isDirectory())
    throw new Reject("file-unusable", `${folder.path} is no folder`);
  const place = assigned();
  if (place !== undefined) return new Examination(folder, place, stuckMs).run(await readdir(folder.path));
  const typed = typesOf(folder.path);
  const fault = faultOfName(folder.name, builtIn);
  const { findings, did } = await inspect(folder);
  const types = await typed;
  const all = unique([
    ...(fault ? [{ file: "", what: `“${folder.name}” ${fault}`, mend: "rename the folder, and the types in it" }] : []),
    ...findings,
    ...(types?.findings ?? []),
  ]);
  const done = [...did, wordsOf(types)].join(", ");
  const summary = all.length === 0 ? `${folder.name} is sound (${done})` : `${folder.name}: ${all.length} to mend`;
  const lines = [...all, ...(types?.unchecked ?? [])].map(finding => told(finding, path));
  return { text: [...lines, summary].join("\n"), sound: all.length === 0 };
}

function wordsOf(types: Typed | undefined): string {
  if (!types) return "types not: there is no TypeScript";
  return types.unchecked.length > 0 ? "types but for those of Node" : "types";
}

async function inspect(folder: PluginFolder): Promise<{ findings: readonly Finding[]; did: readonly string[] }> {
  const names = (await readdir(folder.path)).sort();
  if (!fileOf(folder.path, "message"))
    return {
      did: [],
      findings: [
        { file: "", what: "there is no message.ts", mend: "web-chat new writes a folder that has all that it takes" },
      ],
    };
  const others = names.filter(name => SAMPLES.test(name) || TEST.test(name));
  const halves = (["server", "client"] as const).flatMap(half => fileOf(folder.path, half) ?? []);
  const place = await mkdtemp(join(tmpdir(), "web-chat-check-"));
  try {
    const parts = [compileServer(folder), compileClient(folder, PAGE), compileForCheck(folder, [...halves, ...others])];
    const [server, client, both] = await Promise.all(parts);
    const problems = [server, client, both].flatMap(part => part?.problems ?? []);
    if (problems.length > 0 || !both) return { did: [], findings: problems.map(findingOf) };
    const out = compiledIn(place);
    await mkdir(out, { recursive: true });
    for (const [name, contents] of both.outputs) await writeFile(join(out, name), contents);
    return await examined(place);
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
