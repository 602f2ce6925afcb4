/** What TypeScript says of a plugin. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Finding } from "./findings.ts";

export type Typed = {
  readonly findings: readonly Finding[];
  /** What could not be checked, as nobody installed the types for it. That is no fault. */
  readonly unchecked: readonly Finding[];
};

/** What is said where something has no type, and that is all that is wrong with it. */
const UNTYPED = /^TS70\d\d$/;

/** Undefined where there is no TypeScript, or no tsconfig.json that tells it what is meant. */
export async function typesOf(folder: string): Promise<Typed | undefined> {
  const compiler = existsSync(join(folder, "tsconfig.json")) ? findTsc(folder) : undefined;
  if (!compiler) return undefined;
  const shell = process.platform === "win32";
  const output = await new Promise<string>(done =>
    execFile(compiler, ["-p", folder, "--noEmit", "--pretty", "false"], { cwd: folder, shell }, (_, stdout) =>
      done(stdout),
    ),
  );
  return sorted([...output.matchAll(/^(.+?)\((\d+),(\d+)\): error (TS\d+): (.+)$/gm)].map(said));
}

type Said = Omit<Finding, "mend"> & { readonly code: string };

function said([, file = "", line, column, code = "", what = ""]: RegExpExecArray): Said {
  return { file: file.replaceAll("\\", "/"), line: Number(line), column: Number(column), code, what };
}

function sorted(all: readonly Said[]): Typed {
  const ofNode = all.filter(isOfNode);
  const files = new Set(ofNode.map(({ file }) => file));
  const findings = all
    .filter(one => !ofNode.includes(one) && !(UNTYPED.test(one.code) && files.has(one.file)))
    .map(({ code: _, ...one }) => ({ ...one, mend: "mend the type; web-chat.d.ts says what is expected" }));
  const unchecked = [...files].flatMap(file => {
    const { line, column } = ofNode.find(one => one.file === file) as Said;
    return {
      file,
      ...(line !== undefined && { line }),
      ...(column !== undefined && { column }),
      what: "the types of Node are not installed: what comes from there is not checked",
      mend: 'to check it, too: npm install @types/node, in the plugin\'s folder, and "types": ["node"] in tsconfig.json',
    };
  });
  return { findings, unchecked };
}

/** Modules of Node's own, or its globals. */
function isOfNode({ code, what }: Said): boolean {
  if (code === "TS2591" || code === "TS2580") return true;
  return code === "TS2307" && /^Cannot find module 'node:/.test(what);
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
