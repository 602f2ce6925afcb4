/** Who may import whom: the rules, the tree held against them, and for each rule a source that breaks it. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import test from "node:test";
import { type Module, readModules } from "./helpers/modules.ts";

/** `files` and all lists hold globs of paths, `npm/<package>` and `node/<module>`; `{own}` is the file's folder. */
type Rule = {
  readonly rule: string;
  readonly files: string;
  readonly except?: string;
  /** The file imports nothing else. */
  readonly only?: readonly string[];
  /** The file does not import that. */
  readonly never?: readonly string[];
  /** Imports of types are exempt from `only` and `never`. */
  readonly typesFree?: true;
  /** Neither the file nor what it imports at run time, however far away, imports that. */
  readonly pullsNo?: readonly string[];
  /** What both the file and `with` import at run time, of their folder, is `only`. */
  readonly shares?: { readonly with: string; readonly only: string };
  /** The code does not use these globals. */
  readonly usesNo?: readonly string[];
  readonly noBarrel?: true;
};

const PREACT = ["npm/preact{,/**}", "npm/@preact/**"];
const SOCKETS = ["npm/{zeromq,socket.io,ws}{,/**}", "node/{net,tls,dgram,dns,http,https,http2}{,/**}"];
const TIMERS = ["setTimeout", "setInterval", "setImmediate"];
const CLOCKS = ["Date.now", "new Date()", "performance.now", "process.hrtime", "process.hrtime.bigint"];
const SHIPPED = "{core,plugins,ui}/**";

// biome-ignore format: a table
const RULES: readonly Rule[] = [
  { rule: "core/ imports only core/", files: "core/**", except: "core/{main,plugins/compile/cache}.ts", only: ["core/**", "npm/**", "node/**"] },
  { rule: "core/main.ts imports only core/, plugins/server.ts and package.json", files: "core/main.ts", only: ["core/**", "plugins/server.ts", "package.json", "npm/**", "node/**"] },
  { rule: "core/plugins/compile/cache.ts imports only core/ and package.json", files: "core/plugins/compile/cache.ts", only: ["core/**", "package.json", "npm/**", "node/**"] },
  { rule: "core/plugin.ts imports only types, and errors.ts", files: "core/plugin.ts", only: ["core/errors.ts"], typesFree: true },
  { rule: "nothing in core/ pulls Preact in", files: "core/**", pullsNo: PREACT },
  { rule: "only core/gateway.ts and core/wire.ts import socket.io", files: SHIPPED, except: "core/{gateway,wire}.ts", never: ["npm/socket.io{,/**}"] },
  { rule: "only core/wire.ts and core/transport.ts import what is below socket.io", files: SHIPPED, except: "core/{wire,transport}.ts", never: ["npm/{engine.io,ws}{,/**}"] },
  { rule: "only the bus imports zeromq", files: SHIPPED, except: "core/cluster/{bus,doorkeeper}.ts", never: ["npm/zeromq{,/**}"] },
  { rule: "only core/plugins/compile/compile.ts imports esbuild", files: SHIPPED, except: "core/plugins/compile/compile.ts", never: ["npm/esbuild{,/**}"], typesFree: true },
  { rule: "only core/plugins/compile/sheet.ts imports postcss", files: SHIPPED, except: "core/plugins/compile/sheet.ts", never: ["npm/postcss{,/**}"] },
  { rule: "only core/log/ imports node:sqlite", files: SHIPPED, except: "core/log/**", never: ["node/sqlite"] },
  { rule: "only core/tls/authority.ts knows ASN.1", files: SHIPPED, except: "core/tls/authority.ts", never: ["npm/@peculiar/**", "npm/reflect-metadata"] },
  { rule: "core/addresses.ts imports only node:net", files: "core/addresses.ts", only: ["node/net"] },
  { rule: "the cluster's logic has no sockets of its own", files: "core/cluster/*.ts", except: "core/cluster/{bus,cluster,doorkeeper,seeds}.ts", never: SOCKETS },
  { rule: "the cluster's logic has no timers and clocks of its own", files: "core/cluster/*.ts", except: "core/cluster/{bus,cluster,doorkeeper,strangers}.ts", never: ["node/timers{,/**}", "node/perf_hooks"], usesNo: [...TIMERS, ...CLOCKS] },

  { rule: "an example imports only web-chat/plugin and its own folder", files: "plugins/examples/**", only: ["npm/web-chat/plugin", "{own}/**", "npm/preact{,/**}", "npm/@preact/**", "node/**"] },
  { rule: "an example's message.ts imports only web-chat/plugin", files: "plugins/examples/*/message.ts", only: ["npm/web-chat/plugin"] },
  { rule: "an example's server half pulls in no client half", files: "plugins/examples/*/server.ts", pullsNo: ["{own}/client.tsx", ...PREACT] },
  { rule: "an example's client half pulls in no server half", files: "plugins/examples/*/client.tsx", pullsNo: ["{own}/server.ts", "node/**"] },
  { rule: "nothing but tests imports an example", files: "{core,ui,tools}/**", never: ["plugins/examples/**"] },
  { rule: "message.ts imports only core/plugin.ts and packages", files: "plugins/*/message.ts", only: ["core/plugin.ts", "npm/**"] },
  { rule: "a plugin imports only core/plugin.ts and its own folder", files: "plugins/*/**", except: "plugins/examples/**", only: ["core/plugin.ts", "{own}/**", "npm/**", "node/**"] },
  { rule: "a server half pulls in no client half", files: "plugins/*/server.ts", pullsNo: ["{own}/client.tsx", ...PREACT] },
  { rule: "a client half pulls in no server half", files: "plugins/*/client.tsx", pullsNo: ["{own}/server.ts", "node/**"] },
  { rule: "the halves of a plugin share only message.ts", files: "plugins/*/client.tsx", shares: { with: "{own}/server.ts", only: "{own}/message.ts" } },
  { rule: "plugins/server.ts lists server halves", files: "plugins/server.ts", only: ["core/plugin.ts", "plugins/*/server.ts"] },
  { rule: "plugins/client.ts lists client halves", files: "plugins/client.ts", only: ["core/plugin.ts", "plugins/*/client.tsx"] },

  { rule: "ui/ imports only plugins/client.ts and core/plugin.ts", files: "ui/**", only: ["ui/**", "plugins/client.ts", "core/plugin.ts", "npm/**"] },
  { rule: "ui/ pulls no Node module in", files: "ui/**", pullsNo: ["node/**"] },

  { rule: "no barrels", files: "**", noBarrel: true },
  { rule: "nothing imports tools/", files: "**", except: "tools/**", never: ["tools/**"] },
  { rule: "only tests import test/", files: "**", except: "test/**", never: ["test/**"] },
];

/** One line for each way in which `files`, source texts by path, break the rules. */
async function violations(files: Readonly<Record<string, string>>): Promise<string[]> {
  const modules = new Map((await readModules(files)).map(module => [module.path, module]));
  return RULES.flatMap(rule =>
    [...modules.values()]
      .filter(({ path }) => matches(path, rule.files) && !(rule.except && matches(path, rule.except)))
      .flatMap(module => offences(rule, module, modules).map(what => `${rule.rule}: ${module.path} ${what}`)),
  );
}

function offences(rule: Rule, module: Module, modules: ReadonlyMap<string, Module>): string[] {
  const own = posix.dirname(module.path);
  const within = (target: string, globs: readonly string[]) =>
    globs.some(glob => matches(target, glob.replace("{own}", own)));
  const { only, never, pullsNo, usesNo, shares } = rule;
  const found: string[] = [];
  for (const { target, typeOnly } of module.imports) {
    if (rule.typesFree && typeOnly) continue;
    if ((only && !within(target, only)) || (never && within(target, never))) found.push(`imports ${target}`);
  }
  if (pullsNo) {
    for (const [target, chain] of reach(module.path, modules)) {
      if (within(target, pullsNo)) found.push(`imports ${chain.join(" -> ")}`);
    }
  }
  if (shares) {
    const other = reach(shares.with.replace("{own}", own), modules);
    for (const target of reach(module.path, modules).keys()) {
      const shared = other.has(target) && within(target, ["{own}/**"]) && !within(target, [shares.only]);
      if (shared) found.push(`and ${shares.with.replace("{own}", own)} import ${target}`);
    }
  }
  for (const name of usesNo ?? []) if (module.names.has(name)) found.push(`uses ${name}`);
  if (rule.noBarrel && module.barrel) found.push("only re-exports");
  return found;
}

/** All that `start` imports at run time, through other files too, each with the way to it. */
function reach(start: string, modules: ReadonlyMap<string, Module>): Map<string, string[]> {
  const ways = new Map<string, string[]>();
  const queue: { path: string; way: string[] }[] = [{ path: start, way: [] }];
  for (const { path, way } of queue) {
    for (const { target, typeOnly } of modules.get(path)?.imports ?? []) {
      if (typeOnly || ways.has(target)) continue;
      ways.set(target, [...way, target]);
      queue.push({ path: target, way: [...way, target] });
    }
  }
  return ways;
}

function matches(path: string, glob: string): boolean {
  return posix.matchesGlob(path, glob);
}

test("the tree keeps the rules", async () => {
  assert.deepEqual(await violations(tree()), []);
});

test("the rules name files that exist", () => {
  const paths = Object.keys(tree());
  const globs = RULES.flatMap(({ files, except }) => (except ? [files, except] : [files]));
  assert.deepEqual(
    globs.filter(glob => !paths.some(path => matches(path, glob))),
    [],
  );
});

function tree(): Record<string, string> {
  const root = join(import.meta.dirname, "..");
  const paths = globSync("{core,plugins,ui,tools,test}/**/*.{ts,tsx,mts,js,mjs,cjs}", { cwd: root });
  return Object.fromEntries(paths.map(path => [path.replaceAll("\\", "/"), readFileSync(join(root, path), "utf8")]));
}

test("a tree as it should be breaks no rule", async () => {
  const files = {
    "core/errors.ts": "export class Reject extends Error {}",
    "core/plugin.ts":
      'import type { ComponentType } from "preact"; import { Reject } from "./errors.ts"; export type Row = ComponentType; export { Reject };',
    "core/main.ts":
      'import { readFile } from "node:fs/promises"; import plugins from "../plugins/server.ts"; import "./gateway.ts";',
    "core/gateway.ts":
      'import { Server } from "socket.io"; import "./log/log.ts"; import "./cluster/bus.ts"; setTimeout(() => {}, 1);',
    "core/log/log.ts": 'export const start = () => new Worker(new URL("./worker.ts", import.meta.url));',
    "core/log/worker.ts": 'import { DatabaseSync } from "node:sqlite";',
    "core/cluster/bus.ts": 'import "zeromq"; import "./replication.ts"; Date.now();',
    "core/cluster/replication.ts":
      'import { createHash } from "node:crypto"; export const due = (clock: { now(): number; setTimeout: typeof setTimeout }) => clock.setTimeout(() => new Date(clock.now()), 1);',
    "plugins/server.ts":
      'import type { A } from "../core/plugin.ts"; import text from "./text/server.ts"; export default [text];',
    "plugins/client.ts": 'import text from "./text/client.tsx"; export default [text];',
    "plugins/text/message.ts":
      'import * as v from "valibot"; import { Reject } from "../../core/plugin.ts"; export const a = 1;',
    "plugins/text/server.ts": 'import { open } from "node:fs"; import text from "./message.ts"; import "./store.ts";',
    "plugins/text/store.ts": 'import "node:fs";',
    "plugins/text/client.tsx":
      'import text from "./message.ts"; import type { Open } from "./store.ts"; import "./draw.ts"; export default <b>text</b>;',
    "plugins/text/draw.ts": 'import { signal } from "@preact/signals";',
    "ui/main.tsx":
      'import plugins from "../plugins/client.ts"; import { defineClient } from "../core/plugin.ts"; import "./style.css";',
    "tools/build.ts": 'import { build } from "esbuild"; import "./sizes.ts"; import "../core/errors.ts";',
    "test/text.test.ts":
      'import "./helpers/modules.ts"; import "../plugins/text/server.ts"; import "../core/cluster/bus.ts"; import "socket.io";',
  };
  assert.deepEqual(await violations(files), []);
});

/** A rule, what is wrong, and the sources that make it so. */
// biome-ignore format: a table
const BROKEN: readonly [rule: string, offence: string, files: Record<string, string>][] = [
  ["core/ imports only core/", "core/a.ts imports ui/store.ts", { "core/a.ts": 'import { store } from "../ui/store.ts";' }],
  ["core/ imports only core/", "core/a.ts imports plugins/server.ts", { "core/a.ts": 'import plugins from "../plugins/server.ts";' }],
  ["core/ imports only core/", "core/a.ts imports plugins/text/message.ts", { "core/a.ts": 'export const load = () => import("../plugins/text/message.ts");' }],
  ["core/ imports only core/", "core/a.ts imports plugins/text/message.ts", { "core/a.ts": 'export type Text = import("../plugins/text/message.ts").Text;' }],
  ["core/ imports only core/", "core/a.ts imports tools/worker.ts", { "core/a.ts": 'new Worker(new URL("../tools/worker.ts", import.meta.url));' }],
  ["core/main.ts imports only core/, plugins/server.ts and package.json", "core/main.ts imports plugins/text/server.ts", { "core/main.ts": 'import text from "../plugins/text/server.ts";' }],
  ["core/plugins/compile/cache.ts imports only core/ and package.json", "core/plugins/compile/cache.ts imports plugins/text/server.ts", { "core/plugins/compile/cache.ts": 'import text from "../../../plugins/text/server.ts";' }],
  ["core/plugin.ts imports only types, and errors.ts", "core/plugin.ts imports npm/valibot", { "core/plugin.ts": 'import { type Schema } from "valibot";' }],
  ["core/plugin.ts imports only types, and errors.ts", "core/plugin.ts imports core/registry.ts", { "core/plugin.ts": 'export { frozen } from "./registry.ts";' }],
  ["nothing in core/ pulls Preact in", "core/a.ts imports npm/@preact/signals", { "core/a.ts": 'import { signal } from "@preact/signals";' }],
  ["nothing in core/ pulls Preact in", "core/main.ts imports plugins/server.ts -> plugins/a/server.ts -> npm/preact/hooks", { "core/main.ts": 'import "../plugins/server.ts";', "plugins/server.ts": 'import "./a/server.ts";', "plugins/a/server.ts": 'import "preact/hooks";' }],
  ["only core/gateway.ts and core/wire.ts import socket.io", "core/router.ts imports npm/socket.io", { "core/router.ts": 'import type { Socket } from "socket.io";' }],
  ["only core/wire.ts and core/transport.ts import what is below socket.io", "core/gateway.ts imports npm/engine.io", { "core/gateway.ts": 'import { transports } from "engine.io";' }],
  ["only the bus imports zeromq", "core/cluster/membership.ts imports npm/zeromq", { "core/cluster/membership.ts": 'import { Dealer } from "zeromq";' }],
  ["only core/plugins/compile/compile.ts imports esbuild", "core/node.ts imports npm/esbuild", { "core/node.ts": 'const { build } = await import("esbuild");' }],
  ["only core/plugins/compile/sheet.ts imports postcss", "core/plugins/load.ts imports npm/postcss", { "core/plugins/load.ts": 'import postcss from "postcss";' }],
  ["only core/log/ imports node:sqlite", "core/people.ts imports node/sqlite", { "core/people.ts": 'import { DatabaseSync } from "node:sqlite";' }],
  ["only core/tls/authority.ts knows ASN.1", "core/tls/pair.ts imports npm/@peculiar/x509", { "core/tls/pair.ts": 'import { X509Certificate } from "@peculiar/x509";' }],
  ["core/addresses.ts imports only node:net", "core/addresses.ts imports node/dns", { "core/addresses.ts": 'import { isIP } from "node:net"; import { lookup } from "node:dns";' }],
  ["the cluster's logic has no sockets of its own", "core/cluster/replication.ts imports node/net", { "core/cluster/replication.ts": 'const net = require("net");' }],
  ["the cluster's logic has no timers and clocks of its own", "core/cluster/state.ts uses setInterval", { "core/cluster/state.ts": "globalThis.setInterval(() => {}, 1000);" }],
  ["the cluster's logic has no timers and clocks of its own", "core/cluster/state.ts uses setTimeout", { "core/cluster/state.ts": "export const timers = { setTimeout };" }],
  ["the cluster's logic has no timers and clocks of its own", "core/cluster/state.ts uses Date.now", { "core/cluster/state.ts": "export function expire(now = Date.now) { return now(); }" }],
  ["the cluster's logic has no timers and clocks of its own", "core/cluster/state.ts uses new Date()", { "core/cluster/state.ts": "export const at = () => +new Date();" }],
  ["the cluster's logic has no timers and clocks of its own", "core/cluster/state.ts imports node/timers/promises", { "core/cluster/state.ts": 'import { setTimeout as sleep } from "node:timers/promises";' }],

  ["an example imports only web-chat/plugin and its own folder", "plugins/examples/a/client.tsx imports core/plugin.ts", { "plugins/examples/a/client.tsx": 'import { Reject } from "../../../core/plugin.ts";' }],
  ["an example imports only web-chat/plugin and its own folder", "plugins/examples/a/server.ts imports plugins/examples/b/message.ts", { "plugins/examples/a/server.ts": 'import b from "../b/message.ts";' }],
  ["an example's message.ts imports only web-chat/plugin", "plugins/examples/a/message.ts imports node/crypto", { "plugins/examples/a/message.ts": 'import { randomInt } from "node:crypto";' }],
  ["an example's server half pulls in no client half", "plugins/examples/a/server.ts imports plugins/examples/a/client.tsx", { "plugins/examples/a/server.ts": 'import a from "./client.tsx";' }],
  ["an example's client half pulls in no server half", "plugins/examples/a/client.tsx imports plugins/examples/a/server.ts", { "plugins/examples/a/client.tsx": 'import a from "./server.ts";' }],
  ["nothing but tests imports an example", "ui/a.ts imports plugins/examples/a/message.ts", { "ui/a.ts": 'import a from "../plugins/examples/a/message.ts";' }],
  ["message.ts imports only core/plugin.ts and packages", "plugins/a/message.ts imports node/crypto", { "plugins/a/message.ts": 'import { randomUUID } from "crypto";' }],
  ["message.ts imports only core/plugin.ts and packages", "plugins/a/message.ts imports plugins/a/shape.ts", { "plugins/a/message.ts": 'import { shape } from "./shape.ts";' }],
  ["a plugin imports only core/plugin.ts and its own folder", "plugins/a/server.ts imports plugins/b/message.ts", { "plugins/a/server.ts": 'import b from "../b/message.ts";' }],
  ["a plugin imports only core/plugin.ts and its own folder", "plugins/a/client.tsx imports core/clock.ts", { "plugins/a/client.tsx": 'import type { Clock } from "../../core/clock.ts";' }],
  ["a server half pulls in no client half", "plugins/a/server.ts imports plugins/a/client.tsx", { "plugins/a/server.ts": 'import a from "./client.tsx";' }],
  ["a server half pulls in no client half", "plugins/a/server.ts imports plugins/a/draw.ts -> npm/preact", { "plugins/a/server.ts": 'import "./draw.ts";', "plugins/a/draw.ts": 'import { h } from "preact";' }],
  ["a client half pulls in no server half", "plugins/a/client.tsx imports plugins/a/server.ts", { "plugins/a/client.tsx": 'import a from "./server.ts";' }],
  ["a client half pulls in no server half", "plugins/a/client.tsx imports plugins/a/save.ts -> node/fs", { "plugins/a/client.tsx": 'import "./save.ts";', "plugins/a/save.ts": 'import "fs";' }],
  ["the halves of a plugin share only message.ts", "plugins/a/client.tsx and plugins/a/server.ts import plugins/a/limits.ts", { "plugins/a/client.tsx": 'import "./limits.ts";', "plugins/a/server.ts": 'import "./store.ts";', "plugins/a/store.ts": 'import "./limits.ts";', "plugins/a/limits.ts": "" }],
  ["plugins/server.ts lists server halves", "plugins/server.ts imports plugins/a/client.tsx", { "plugins/server.ts": 'import a from "./a/client.tsx"; export default [a];' }],
  ["plugins/client.ts lists client halves", "plugins/client.ts imports plugins/a/server.ts", { "plugins/client.ts": 'import a from "./a/server.ts"; export default [a];' }],

  ["ui/ imports only plugins/client.ts and core/plugin.ts", "ui/row.tsx imports plugins/text/client.tsx", { "ui/row.tsx": 'import text from "../plugins/text/client.tsx";' }],
  ["ui/ imports only plugins/client.ts and core/plugin.ts", "ui/row.tsx imports core/errors.ts", { "ui/row.tsx": 'import type { Code } from "../core/errors.ts";' }],
  ["ui/ pulls no Node module in", "ui/row.tsx imports core/plugin.ts -> node/buffer", { "ui/row.tsx": 'import "../core/plugin.ts";', "core/plugin.ts": 'import "node:buffer";' }],

  ["no barrels", "core/log/index.ts only re-exports", { "core/log/index.ts": 'export * from "./log.ts"; export type { Row } from "./row.ts";' }],
  ["no barrels", "ui/all.ts only re-exports", { "ui/all.ts": 'import { a } from "./a.ts"; import b from "./b.ts"; export { a }; export default b;' }],
  ["nothing imports tools/", "test/a.test.ts imports tools/build.ts", { "test/a.test.ts": 'import { build } from "../tools/build.ts";' }],
  ["only tests import test/", "tools/bench.ts imports test/helpers/node.ts", { "tools/bench.ts": 'import { start } from "../test/helpers/node.ts";' }],
];

for (const [rule, offence, files] of BROKEN) {
  test(`refused: ${offence}`, async () => {
    const found = await violations(files);
    assert.ok(found.includes(`${rule}: ${offence}`), `found only: ${found.join("; ")}`);
  });
}

test("every rule is known to fail where it is broken", () => {
  const seen = new Set(BROKEN.map(([rule]) => rule));
  assert.deepEqual(
    RULES.map(({ rule }) => rule).filter(rule => !seen.has(rule)),
    [],
  );
});
