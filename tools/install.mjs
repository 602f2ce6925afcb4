/**
 * Makes a clone ready to run, before `npm start` and `npm test`: packages, the pinned Node, the built UI; with `--needs`
 * also what tests need of the machine, with `--test` the executable, too. What is there already is left alone, so a
 * second run takes a moment.
 *
 * Plain JavaScript without packages, since it runs first and on the machine's own Node. It is a hook and no part of the
 * script it precedes, because a shell looks `node` up once, and only what runs later finds the pinned one on its PATH.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Failure, Stopped, step } from "./steps.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const windows = process.platform === "win32";
const platform = `${windows ? "win" : process.platform}-${process.arch}`;
const pinnedNode = join(root, "node_modules", `node-${platform}`, "bin", windows ? "node.exe" : "node");
const { optionalDependencies: pins } = readJson("package.json");

try {
  await alone(async () => {
    if (!packagesAreCurrent()) await installPackages();
    const node = nodeToRunOn();
    await buildUi(node);
    const forTests = process.argv.includes("--test");
    if (forTests || process.argv.includes("--needs")) {
      const { prepareTests } = await import("./test-needs.mjs");
      await prepareTests();
    }
    if (forTests) await buildExecutable(node);
  });
} catch (error) {
  if (!(error instanceof Failure || error instanceof Stopped)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}

/** Compares what npm noted that it installed with the lock; packages for other platforms may be missing. */
function packagesAreCurrent() {
  if (!existsSync("node_modules/.package-lock.json")) return false;
  if (pins[`node-${platform}`] && !existsSync(pinnedNode)) return false;
  const { "": _, ...locked } = readJson("package-lock.json").packages;
  const installed = readJson("node_modules/.package-lock.json").packages;
  const same = (a, b) => a?.version === b?.version && a?.integrity === b?.integrity;
  return (
    Object.keys(locked).every(path => locked[path].optional || installed[path]) &&
    Object.keys(installed).every(path => same(installed[path], locked[path]))
  );
}

async function installPackages() {
  // Windows does not let npm delete the node.exe that runs this; `install` leaves what is current in place.
  const inUse = windows && process.execPath.startsWith(join(root, "node_modules"));
  const verb = inUse ? ["install", "--no-save"] : ["ci"];
  // The UI is built on this machine: development packages are needed under NODE_ENV=production, too. No package needs
  // its install script: zeromq and esbuild come with binaries.
  const flags = ["--include=dev", "--include=optional", "--ignore-scripts", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath ?? "";
  const [command, first] = /npm-cli\.c?js$/.test(npm)
    ? [process.env.npm_node_execpath ?? process.execPath, [npm]]
    : ["npm", []];
  await step(`installing packages (npm ${verb[0]})`, command, [...first, ...verb, ...flags], {
    shell: windows && command === "npm",
    hint: "The packages were not installed: see npm's output above, and check that the npm registry can be reached.",
  });
}

/** Path of the Node that npm scripts run on from now on; a Failure if that is too old, or does not start. */
function nodeToRunOn() {
  const pin = pins[`node-${platform}`];
  const wanted = Number.parseInt(pin ?? Object.values(pins)[0], 10);
  if (!pin) {
    if (Number.parseInt(process.versions.node, 10) >= wanted) return process.execPath;
    throw new Failure(
      `web-chat runs on Node ${wanted} or newer, and this is ${process.version}. For ${platform} npm has no pinned one: install Node ${wanted} from https://nodejs.org, then try again.`,
    );
  }
  const answer = spawnSync(pinnedNode, ["--version"], { encoding: "utf8" });
  if (answer.stdout?.trim() === `v${pin}`) return pinnedNode;
  throw new Failure(
    `The pinned Node (${pinnedNode}) does not start: ${answer.error?.message ?? (answer.stderr.trim().split("\n")[0] || `it says ${answer.stdout.trim()}`)}. It needs glibc 2.28 or newer; if this system has that, delete node_modules and try again.`,
  );
}

/** Builds into dist/ui/, unless nothing that the build reads has changed since the last time. */
async function buildUi(node) {
  const stamp = "node_modules/.cache/web-chat/ui";
  const inputs = ["ui", "plugins", "core", "tools", "package-lock.json"].flatMap(list);
  const seen = inputs.map(path => `${path} ${statSync(path).mtimeMs}`).sort();
  const hash = createHash("sha256").update(seen.join("\n")).digest("hex");
  if (existsSync("dist/ui") && existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  await step("building the UI", node, ["tools/build.ts"], { hint: "The UI was not built: see the output above." });
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
}

/** Builds the executable that the tests run, unless it is newer than all that it is made of. On a Mac they go without. */
async function buildExecutable(node) {
  if (!pins[`node-${platform}`]) return;
  const file = `dist/web-chat-${platform}${windows ? ".exe" : ""}`;
  // Folders are among them, and change when a file in them is removed.
  const inputs = ["ui", "plugins", "core", "tools", "LICENSE", "package.json", "package-lock.json"].flatMap(list);
  const newest = Math.max(...inputs.map(path => statSync(path).mtimeMs));
  if (existsSync(file) && statSync(file).mtimeMs >= newest) return;
  await step("building the executable", node, ["tools/executable.ts"], {
    hint: "The executable was not built: see the output above.",
  });
}

function list(path) {
  if (!statSync(path).isDirectory()) return [path];
  return [path, ...readdirSync(path).flatMap(name => list(join(path, name)))];
}

/** Two nodes started at once from a fresh clone prepare it once: the later one waits for the earlier one. */
async function alone(work) {
  const lock = "dist/install.lock";
  mkdirSync("dist", { recursive: true });
  for (let waited = false; !take(lock); waited = true) {
    if (!waited) console.log("waiting for another installation in this folder");
    await sleep(100);
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    if (abandoned(lock)) rmSync(lock, { force: true });
    return false;
  }
}

/** Its process has ended, or it is older than any installation takes (process ids of containers say little). */
function abandoned(lock) {
  try {
    if (Date.now() - statSync(lock).mtimeMs > 15 * 60_000) return true;
    const pid = Number(readFileSync(lock, "utf8"));
    if (pid > 0) process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}
