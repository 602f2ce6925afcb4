/** What tests need of the machine beyond packages: a Chromium, and programs that single tests use or go without. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { Failure, step } from "./steps.mjs";

const cache = "node_modules/.cache/web-chat";
/** Where test/helpers/browser.ts reads the path of the browser. */
const chromiumFile = join(cache, "chromium");
/** And that of one without windows, where there is one. */
const shellFile = join(cache, "chromium-shell");
/** A system with nothing in it, where test/helpers/bare.ts runs the executable. */
const bareSystem = join(cache, "bare");
/** Debian packages that could not be installed; not tried again until node_modules is made anew. */
const refusedFile = join(cache, "apt-refused");

export async function prepareTests() {
  mkdirSync(cache, { recursive: true });
  await installExtras();
  await makeBareSystem();
  writeFileSync(chromiumFile, await chromium());
  writeFileSync(shellFile, which("chromium-headless-shell") ?? "");
}

async function chromium() {
  if (process.env.CHROMIUM) {
    if (existsSync(process.env.CHROMIUM)) return process.env.CHROMIUM;
    throw new Failure(`CHROMIUM names ${process.env.CHROMIUM}, which does not exist.`);
  }
  const known = existsSync(chromiumFile) && readFileSync(chromiumFile, "utf8");
  if (known && existsSync(known)) return known;
  const found = (await findChromium()) ?? (await installChromium());
  if (found) return found;
  throw new Failure(
    "The tests need Chromium, and it could not be installed. Install Chromium or Google Chrome, or name one in CHROMIUM, then try again.",
  );
}

/** The first that starts: some systems have a `chromium` that only says how to get one. */
async function findChromium() {
  const { ProgramFiles, "ProgramFiles(x86)": ProgramFilesX86, LOCALAPPDATA } = process.env;
  const windowsFolders = [ProgramFiles, ProgramFilesX86, LOCALAPPDATA].filter(folder => folder !== undefined);
  const usual = {
    darwin: ["Google Chrome", "Chromium"].map(name => `/Applications/${name}.app/Contents/MacOS/${name}`),
    win32: ["Google\\Chrome\\Application\\chrome.exe", "Chromium\\Application\\chrome.exe"].flatMap(path =>
      windowsFolders.map(folder => join(folder, path)),
    ),
  };
  const onPath = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"].map(which);
  const playwright = (await import("playwright-core")).chromium.executablePath();
  return [...onPath, ...(usual[process.platform] ?? []), playwright].find(
    path => path && existsSync(path) && (process.platform === "win32" || starts(path)),
  );
}

async function installChromium() {
  if (canApt()) await apt("installing Chromium (apt-get)", ["chromium", "fonts-noto-cjk"]);
  const found = await findChromium();
  if (found) return found;
  try {
    const playwright = ["node_modules/playwright-core/cli.js", "install", "chromium"];
    await step("downloading Chromium (playwright)", process.execPath, playwright, { timeout: 10 * 60_000 });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
  }
  return findChromium();
}

/** The Debian packages that bring programs. */
const PROGRAMS = {
  buildah: "buildah",
  certutil: "libnss3-tools",
  // Chromium without its windows: the same engine, in half of the time.
  "chromium-headless-shell": "chromium-headless-shell",
  debootstrap: "debootstrap",
  dnsmasq: "dnsmasq-base",
  ip: "iproute2",
  nginx: "nginx-light",
  // Socket.IO servers that work together are measured beside nodes that do.
  "redis-server": "redis-server",
  strace: "strace",
  strip: "binutils",
  "systemd-analyze": "systemd",
};

/**
 * A Python client to talk to a node, strace to watch its fsync, debootstrap for a bare system: tests that need them are
 * skipped without. Without strip the executable is larger than its budget, and with a whole Chromium tests take longer.
 */
async function installExtras() {
  if (!canApt()) return;
  const refused = existsSync(refusedFile) ? readFileSync(refusedFile, "utf8").split("\n") : [];
  const python = "/usr/bin/python3";
  const modules = { socketio: "python3-socketio", websocket: "python3-websocket", requests: "python3-requests" };
  const look = `import importlib.util as u; print(*[m for m in ${JSON.stringify(Object.keys(modules))} if not u.find_spec(m)])`;
  const missing = existsSync(python) ? spawnSync(python, ["-c", look], { encoding: "utf8" }).stdout.split(/\s+/) : [];
  const absent = Object.keys(PROGRAMS).filter(program => !which(program) && !existsSync(`/usr/sbin/${program}`));
  const packages = [...missing.map(name => modules[name]), ...absent.map(program => PROGRAMS[program])].filter(
    name => name && !refused.includes(name),
  );
  if (packages.length === 0) return;
  if (await apt(`installing ${packages.join(", ")} (apt-get)`, packages)) return;
  writeFileSync(refusedFile, [...refused, ...packages].join("\n"));
  console.log("Going on without them: the tests that use them are skipped.");
}

/** Debian's smallest system. Where none can be made, the tests in it are skipped until node_modules is made anew. */
async function makeBareSystem() {
  const given = existsSync(refusedFile) ? readFileSync(refusedFile, "utf8").split("\n") : [];
  if (existsSync(bareSystem) || process.getuid?.() !== 0 || !which("debootstrap") || given.includes(bareSystem)) return;
  const draft = `${bareSystem}.new`;
  rmSync(draft, { recursive: true, force: true });
  try {
    // In a view of its own on what is mounted, so that nothing stays mounted.
    const debootstrap = ["--mount", "debootstrap", "--variant=minbase", "bookworm", draft];
    await step("making a bare system (debootstrap)", "unshare", debootstrap);
    // What tests mount something on.
    for (const folder of MOUNT_POINTS) mkdirSync(join(draft, folder), { recursive: true });
    renameSync(draft, bareSystem);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    writeFileSync(refusedFile, [...given, bareSystem].join("\n"));
    console.log("Going on without it: the tests that start the executable there are skipped.");
  }
}

const MOUNT_POINTS = ["opt/web-chat", "opt/网 聊", "data", "data 数据", "home/somebody"];

function canApt() {
  return process.getuid?.() === 0 && which("apt-get") !== undefined;
}

/** Debian starts what it installs, unless this says no: a test wants the program, and nobody its port 80 taken. */
const POLICY = "/usr/sbin/policy-rc.d";
const NO_SERVICES = `[ -e ${POLICY} ] || { trap 'rm -f ${POLICY}' EXIT; printf '#!/bin/sh\\nexit 101\\n' > ${POLICY}; chmod 755 ${POLICY}; }`;

/** Whether the packages are now installed. */
async function apt(what, packages) {
  const install = `${NO_SERVICES}; apt-get update -qq && apt-get install -y -qq --no-install-recommends ${packages.join(" ")}`;
  try {
    await step(what, "sh", ["-c", install], { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
    return true;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return false;
  }
}

function which(program) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map(folder => join(folder, program)).find(existsSync);
}

function starts(path) {
  return spawnSync(path, ["--version"], { timeout: 30_000 }).status === 0;
}
