/**
 * How long plugin folders take at a start: `node tools/bench/plugins.ts [rounds]`, after `npm run build`. The examples, both halves
 * of each: the first one compiled, which starts the compiler; each of the others; all at once, as a start does it; and all of
 * them out of the cache. Medians, in milliseconds.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cache } from "../../core/plugins/compile/cache.ts";
import { compileClient, compileServer, stopCompiling } from "../../core/plugins/compile/compile.ts";
import { contentsOf, type PluginFolder, pluginFolders } from "../../core/plugins/folders.ts";
import { spread } from "./results.ts";
import { say } from "./sample.ts";

const ROUNDS = Number(process.argv[2] ?? 9);
const root = join(import.meta.dirname, "../..");
const modules = JSON.parse(await readFile(join(root, "dist/ui/modules.json"), "utf8"));
const folders = pluginFolders(join(root, "plugins/examples"));

const took = { "the first": [], "each of the others": [], "all at once": [], "all, cached": [] } as Record<
  string,
  number[]
>;
for (let round = 0; round < ROUNDS; round++) {
  const data = await mkdtemp(join(tmpdir(), "web-chat-bench-"));
  const cache = new Cache(data, modules);
  const [first, ...others] = folders as [PluginFolder, ...PluginFolder[]];
  await measure("the first", () => compile(first));
  for (const folder of others) await measure("each of the others", () => compile(folder));
  await stopCompiling();
  await measure("all at once", async () => {
    const made = await Promise.all(folders.map(compile));
    for (const [index, { server, client }] of made.entries()) {
      const folder = folders[index] as PluginFolder;
      cache.put(folder, contentsOf(folder.path), server, client);
    }
    await stopCompiling();
  });
  await measure("all, cached", () => {
    for (const folder of folders)
      if (!cache.get(folder, contentsOf(folder.path))) throw new Error(`${folder.name} is not in the cache`);
  });
  await rm(data, { recursive: true });
}
for (const [what, times] of Object.entries(took)) say(what, `${spread(times).median.toFixed(1)} ms`);

async function compile(folder: PluginFolder) {
  const [server, client] = await Promise.all([compileServer(folder), compileClient(folder, modules)]);
  const [problem] = [...server.problems, ...client.problems];
  if (problem) throw new Error(`${folder.name}: ${problem.text}`);
  return { server, client };
}

async function measure(what: string, run: () => unknown): Promise<void> {
  const began = performance.now();
  await run();
  took[what]?.push(performance.now() - began);
}
