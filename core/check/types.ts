/** What TypeScript says of a plugin. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Finding } from "./findings.ts";

export type Typed = {
  readonly findings: readonly Finding[];
  /** What could not be checked, as nobody installed the types for it. That is no fault. */
  readonly unchecked: readonly Finding[];
  /** What was looked at, in words. */
  readonly did: string;
};

/** What is said where something has no type, and that is all that is wrong with it. */
const UNTYPED = /^TS70\d\d$/;

/** Nothing is found where there is no TypeScript, or no tsconfig.json that tells it what is meant; `did` says so. */
export async function typesOf(folder: string): Promise<Typed> {
  const compiler = findTsc(folder);
  if (!compiler) return untyped("there is no TypeScript");
  if (!existsSync(join(folder, "tsconfig.json"))) return untyped("there is no tsconfig.json: web-chat new writes one");
  const shell = process.platform === "win32";
  const output = await new Promise<string>(done =>
    execFile(compiler, ["-p", folder, "--noEmit", "--pretty", "false"], { cwd: folder, shell }, (_, stdout) =>
      done(stdout),
    ),
  );
  return sorted([...output.matchAll(/^(.+?)\((\d+),(\d+)\): error (TS\d+): (.+)$/gm)].map(said));
}

function untyped(why: string): Typed {
  return { findings: [], unchecked: [], did: `types not: ${why}` };
}

/** What helps where the contract has nothing to do with it. */
const MENDS: Readonly<Record<string, string>> = {
  TS2304: "import it, or look how it is written",
  TS2307: "look at the path; a package is installed in the plugin's folder",
  TS2552: "look how it is written",
  TS6133: "use it, or take it out",
  TS7006: "mend the type: say what it is",
  TS7031: "mend the type: say what it is",
};

type Said = Omit<Finding, "mend"> & { readonly code: string };

function said([, file = "", line, column, code = "", what = ""]: RegExpExecArray): Said {
  return { file: file.replaceAll("\\", "/"), line: Number(line), column: Number(column), code, what };
}

function sorted(all: readonly Said[]): Typed {
  const ofNode = all.filter(isOfNode);
  const files = new Set(ofNode.map(({ file }) => file));
  const findings = all
    .filter(one => !ofNode.includes(one) && !(UNTYPED.test(one.code) && files.has(one.file)))
    .map(({ code, ...one }) => ({ ...one, mend: MENDS[code] ?? mendOf(one.what) }));
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
  return { findings, unchecked, did: unchecked.length > 0 ? "types but for those of Node" : "types" };
}

function mendOf(what: string): string {
  return OF_CONTRACT.test(what) ? "mend the type; web-chat.d.ts says what is expected" : "mend the type";
}

/** Types that web-chat.d.ts has, by what their names begin or end with. */
const OF_CONTRACT =
  /'[^']*\b(Client|Server|Message|Web|Node|Any)[A-Z]\w*|\b\w+(Hooks|Context|Plugin|Code)\b|'(Receiving|Shell|Session|Reject|Stored|Envelope)\b/;

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
