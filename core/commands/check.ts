/** `web-chat check`: whether a plugin folder keeps the contract; and where not, what to do. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join, resolve } from "node:path";
import { run } from "node:test";
import { pathToFileURL } from "node:url";
import { Reject } from "../errors.ts";
import type { AnyClientPlugin, AnyServerPlugin } from "../plugin.ts";
import * as contract from "../plugin.ts";
import { compileClient, compileForCheck, compileServer, stopCompiling } from "../plugins/compile.ts";
import { promisesOf, type Samples } from "../plugins/contract.ts";
import { type Finding, findingOf, placeIn, told } from "../plugins/findings.ts";
import { fileOf, type PluginFolder } from "../plugins/folders.ts";
import { CONTRACT_KEY } from "../plugins/imports.ts";
import { faultOfName } from "../plugins/names.ts";
import { placeOf } from "../plugins/places.ts";
import { faultsOfClient, faultsOfServer, pluginsIn } from "../plugins/shape.ts";

/** Where the page has them does not matter here. */
const PAGE = Object.fromEntries(
  ["preact", "preact/hooks", "preact/jsx-runtime", "@preact/signals", CONTRACT_KEY].map(name => [
    name,
    "assets/page.js",
  ]),
);
const SAMPLES = /^samples\.[jt]s$/;
const TEST = /\.test\.[jt]sx?$/;
/** The same junk each time: what was found once is found again. */
const SEED = 1;
const MAX_TEST_MS = 10_000;

/** What was found, as text; `sound` where nothing was. Throws `Reject` where there is no plugin to check. */
export async function check(
  path: string,
  builtIn: readonly AnyServerPlugin[],
): Promise<{ text: string; sound: boolean }> {
  const folder = { name: basename(resolve(path)), path: resolve(path) };
  if (!(await stat(folder.path).catch(() => undefined))?.isDirectory())
    throw new Reject("file-unusable", `${folder.path} is no folder`);
  const typed = typeFaults(folder.path);
  const fault = faultOfName(folder.name, builtIn);
  const { findings, did } = await inspect(folder);
  const types = await typed;
  const all = unique([
    ...(fault ? [{ file: "", what: `“${folder.name}” ${fault}`, mend: "rename the folder, and the types in it" }] : []),
    ...findings,
    ...(types ?? []),
  ]);
  const done = [...did, types ? "types" : "types not: there is no TypeScript"].join(", ");
  const summary = all.length === 0 ? `${folder.name} is sound (${done})` : `${folder.name}: ${all.length} to mend`;
  return { text: [...all.map(finding => told(finding, path)), summary].join("\n"), sound: all.length === 0 };
}

type Inspected = { findings: Finding[]; did: string[] };

async function inspect(folder: PluginFolder): Promise<Inspected> {
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
    // The name says where such modules are looked for when something is thrown in them.
    const out = join(place, "cache/plugins");
    await mkdir(out, { recursive: true });
    for (const [name, contents] of both.outputs) await writeFile(join(out, name), contents);
    return await examine(folder, out, names);
  } finally {
    await stopCompiling();
    await rm(place, { recursive: true, force: true });
  }
}

async function examine(folder: PluginFolder, out: string, names: readonly string[]): Promise<Inspected> {
  Object.assign(globalThis, { [Symbol.for(CONTRACT_KEY)]: contract });
  const findings: Finding[] = [];
  const load = async (file: string) => {
    try {
      return ((await import(pathToFileURL(join(out, moduleOf(file))).href)) as { default?: unknown }).default;
    } catch (error) {
      findings.push({
        ...thrownAt(error, file),
        what: `threw when it was loaded: ${line(error)}`,
        mend: error instanceof ReferenceError ? MENDS.name : MENDS.load,
      });
      return undefined;
    }
  };
  const listed = async <Plugin>(half: "server" | "client") => {
    const file = fileOf(folder.path, half);
    const exported = file && (await load(file));
    if (!file || findings.length > 0) return [];
    const plugins = pluginsIn<Plugin>(exported);
    const define = half === "server" ? "defineServer" : "defineClient";
    const mend = `export default ${define}(message, { … }), or a list of those`;
    if (!plugins)
      findings.push({
        ...placeIn(folder.path, [file], /export default/),
        what: "it exports no plugin by default",
        mend,
      });
    return plugins ?? [];
  };
  const servers = await listed<AnyServerPlugin>("server");
  const clients = findings.length === 0 ? await listed<AnyClientPlugin>("client") : [];
  if (findings.length > 0) return { findings, did: [] };
  findings.push(...faultsOfServer(folder, servers));
  findings.push(...faultsOfClient(folder, clients, new Set(servers.map(({ message }) => message.type))));
  if (findings.length > 0) return { findings, did: [] };
  const samples = names.find(name => SAMPLES.test(name));
  const given = samples ? await load(samples) : undefined;
  findings.push(...contractFaults(folder, servers, samples ?? "samples.ts", given));
  const tests = names.filter(name => TEST.test(name));
  if (tests.length > 0) findings.push(...(await testFaults(out, tests)));
  return { findings, did: ["contract", tests.length > 0 ? "tests" : "no tests"] };
}

const MENDS = {
  load: "what stands outside of functions has to work in Node, too: a client half finds the page in its components only",
  name: "import it, or look how it is written",
  test: "mend the code, or the test",
  type: "mend the type; web-chat.d.ts says what is expected",
};

function contractFaults(
  folder: PluginFolder,
  plugins: readonly AnyServerPlugin[],
  file: string,
  samples: unknown,
): Finding[] {
  return plugins.flatMap(plugin => {
    const { type } = plugin.message;
    const own = samplesOf(samples, type);
    if (!own)
      return [
        {
          file,
          what: `there are no samples of “${type}”`,
          mend: `export default { "${type}": [{ … }, { … }] }: messages as people send them`,
        },
      ];
    return promisesOf(plugin, own).flatMap(({ what, mend, hold }) => {
      try {
        hold(SEED);
        return [];
      } catch (error) {
        const at = thrownAt(rawOf(plugin, error), "") ?? {};
        const place = at.file
          ? at
          : placeIn(folder.path, [fileOf(folder.path, "message") ?? ""], new RegExp(`["'\`]${type}["'\`]`));
        return [{ ...place, what: `${type} breaks a promise: ${what}. It had ${line(error)}`, mend }];
      }
    });
  });
}

/** A list, or `{ inputs, bodies }` where what is kept is not what is sent. */
function samplesOf(samples: unknown, type: string): Samples | undefined {
  const own = (samples as Record<string, unknown> | undefined)?.[type];
  if (Array.isArray(own)) return own.length > 0 ? { inputs: own, bodies: own } : undefined;
  const { inputs, bodies } = (own ?? {}) as Partial<Samples>;
  return Array.isArray(inputs) && Array.isArray(bodies) ? { inputs, bodies } : undefined;
}

/** What the plugin threw itself: the registry gives that to nobody, but the value that did it is known. */
function rawOf({ message }: AnyServerPlugin, error: unknown): unknown {
  const { value } = error as { value?: unknown };
  for (const call of [() => message.parse(value), () => message.check?.(value), () => message.summary(value)])
    try {
      call();
    } catch (raw) {
      if (!(raw instanceof Reject)) return raw;
    }
  return error;
}

async function testFaults(out: string, tests: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  const files = tests.map(file => join(out, moduleOf(file)));
  const stream = run({ files, isolation: "none", timeout: MAX_TEST_MS });
  stream.on("test:fail", ({ name, file, details: { error, type } }) => {
    if (type === "suite") return;
    const cause = (error as Error).cause ?? error;
    const at = tests.find(test => file?.endsWith(moduleOf(test))) ?? tests[0] ?? "";
    findings.push({ ...thrownAt(cause, at), what: `the test “${name}” fails: ${line(cause)}`, mend: MENDS.test });
  });
  for await (const _ of stream);
  return findings;
}

function moduleOf(file: string): string {
  return file.replace(/\.[jt]sx?$/, ".mjs");
}

function thrownAt(error: unknown, file: string): Pick<Finding, "file" | "line"> {
  const [place, number] = placeOf(error)?.split(/:(?=\d+$)/) ?? [];
  return place && number ? { file: place, line: Number(number) } : { file };
}

function line(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n").filter(Boolean).slice(0, 2).join(" ").slice(0, 300);
}

/** What TypeScript says; undefined where there is none. */
async function typeFaults(folder: string): Promise<Finding[] | undefined> {
  const compiler = existsSync(join(folder, "tsconfig.json")) ? findTsc(folder) : undefined;
  if (!compiler) return undefined;
  const shell = process.platform === "win32";
  const output = await new Promise<string>(done =>
    execFile(compiler, ["-p", folder, "--noEmit", "--pretty", "false"], { cwd: folder, shell }, (_, stdout) =>
      done(stdout),
    ),
  );
  return [...output.matchAll(/^(.+?)\((\d+),(\d+)\): error TS\d+: (.+)$/gm)].map(
    ([, file = "", line, column, what = ""]) => ({
      file,
      line: Number(line),
      column: Number(column),
      what,
      mend: MENDS.type,
    }),
  );
}

function findTsc(folder: string): string | undefined {
  const name = process.platform === "win32" ? "tsc.cmd" : "tsc";
  const places: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    places.push(join(at, "node_modules/.bin"));
    if (at === dirname(at)) break;
  }
  return [...places, ...(process.env.PATH ?? "").split(delimiter)]
    .map(place => join(place, name))
    .find(path => existsSync(path));
}

/** Each thing once, though both halves have the file that it is in. */
function unique(findings: readonly Finding[]): Finding[] {
  const known = new Map(
    findings.map(finding => [`${finding.file}:${finding.line}:${finding.column}:${finding.what}`, finding]),
  );
  return [...known.values()];
}
