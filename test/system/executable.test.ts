/** The executable starts on a system that has nothing but it, and says in one line what it lacks. */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { type BareOptions, bareSystem, noBareSystem, STRANGER, SYSTEM } from "../helpers/bare.ts";
import { connect } from "../helpers/client.ts";
import { executable } from "../helpers/executable.ts";
import { type Environment, type NodeProcess, runNode, spawnNode, temporaryDirectory } from "../helpers/node.ts";

const skip = noBareSystem() ?? false;
const UI = join(import.meta.dirname, "../../dist/ui");
const PROGRAM = ["/opt/web-chat/web-chat"];

/** Ready, with its page, and somebody writes. */
async function works(t: TestContext, node: NodeProcess): Promise<void> {
  await node.ready();
  const page = await (await fetch(node.url)).text();
  const [, script] = /src="(assets\/[^"]+\.js)"/.exec(page) ?? [];
  const asset = await fetch(`${node.url}/${script}`);
  assert.equal(asset.status, 200);
  assert.equal(await asset.text(), readFileSync(join(UI, script ?? ""), "utf8"));
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const { id } = await ana.say("from a bare system");
  await ana.until(() => ana.messages().find(message => message.id === id));
  const { messages } = await ana.ask("search", { query: "bare system" });
  assert.ok(
    (messages as { id: string }[]).some(message => message.id === id),
    "it is not found",
  );
}

const starts: { where: string; options: BareOptions; environment: Environment; program?: string; in: string }[] = [
  {
    where: "without Node, for nobody, with a home",
    options: { writable: ["/data", "/tmp", "/home/somebody"] },
    environment: { DATA_DIR: "/data", HOME: "/home/somebody" },
    in: "/data/native",
  },
  {
    where: "with a home that cannot be written",
    options: { writable: ["/data", "/tmp"] },
    environment: { DATA_DIR: "/data", HOME: "/root" },
    in: "/data/native",
  },
  {
    where: "for a user whom the system does not know, without HOME",
    options: { writable: ["/data"], user: STRANGER },
    environment: { DATA_DIR: "/data" },
    in: "/data/native",
  },
  {
    where: "read-only but for /tmp",
    options: { writable: ["/tmp"] },
    environment: { DATA_DIR: "/tmp/chat" },
    in: "/tmp/chat/native",
  },
  {
    where: "read-only but for the data folder",
    options: { writable: ["/data"] },
    environment: { DATA_DIR: "/data", HOME: "/home/somebody" },
    in: "/data/native",
  },
  {
    where: "from a path with spaces and Chinese characters",
    options: { at: "/opt/网 聊", writable: ["/data 数据"] },
    environment: { DATA_DIR: "/data 数据" },
    program: "/opt/网 聊/web-chat",
    in: "/data 数据/native",
  },
  {
    where: "with a /tmp that lets nothing load",
    options: { writable: ["/data", "/tmp"], noexec: ["/tmp"] },
    environment: { DATA_DIR: "/data" },
    in: "/data/native",
  },
  {
    where: "with a data folder that lets nothing load, from the home's cache",
    options: { writable: ["/data", "/tmp", "/home/somebody"], noexec: ["/data"] },
    environment: { DATA_DIR: "/data", HOME: "/home/somebody" },
    in: "/home/somebody/.cache/web-chat",
  },
  {
    where: "with a data folder that lets nothing load, from the cache that is named",
    options: { writable: ["/data", "/tmp", "/home/somebody"], noexec: ["/data", "/tmp"] },
    environment: { DATA_DIR: "/data", XDG_CACHE_HOME: "/home/somebody/cache" },
    in: "/home/somebody/cache/web-chat",
  },
  {
    where: "with a data folder that lets nothing load and no home, from /tmp",
    options: { writable: ["/data", "/tmp"], noexec: ["/data"], user: STRANGER },
    environment: { DATA_DIR: "/data" },
    in: `/tmp/web-chat-${STRANGER}`,
  },
  {
    where: "with NATIVE_DIR, from there alone",
    options: { writable: ["/data", "/tmp", "/home/somebody"], user: STRANGER },
    environment: { DATA_DIR: "/data", NATIVE_DIR: "/home/somebody" },
    in: `/home/somebody/web-chat-${STRANGER}`,
  },
];

for (const { where, options, environment, program = "/opt/web-chat/web-chat", in: place } of starts)
  test(`it starts ${where}`, { skip }, async t => {
    const bare = bareSystem(t, options);
    const node = await spawnNode(t, environment, bare.wrapper, [], [program]);
    await works(t, node);
    assert.deepEqual(
      bare.libraries().map(({ folder }) => folder),
      [place],
    );
    assert.equal(bare.libraries()[0]?.mode, 0o700, "of the folder");
    assert.equal(await node.kill("SIGTERM"), 0);
  });

const said = (lines: string[]) => lines.filter(line => line !== "");

test("with no folder at all it says in one line which ones it tried, why not, and what to set", { skip }, async t => {
  const { wrapper } = bareSystem(t, { writable: ["/data", "/tmp"], noexec: ["/data", "/tmp"] });
  const node = runNode({ PORT: "0", DATA_DIR: "/data", HOME: "/home/somebody" }, wrapper, [], PROGRAM);
  assert.equal(await node.ended, 1);
  assert.equal(said(node.lines).length, 1, node.lines.join("\n"));
  assert.match(
    node.lines[0] as string,
    /tried \/data\/native \(.+ noexec\), \/home\/somebody\/\.cache\/web-chat \(it cannot be made\), \/tmp\/web-chat-65534 \(.+ noexec\): set NATIVE_DIR to .+ \[native-dir\]$/,
  );
});

test("NATIVE_DIR that cannot be used is said, and nothing else is tried", { skip }, async t => {
  const { wrapper, libraries } = bareSystem(t, { writable: ["/data", "/tmp"] });
  const node = runNode({ PORT: "0", DATA_DIR: "/data", NATIVE_DIR: "/opt" }, wrapper, [], PROGRAM);
  assert.equal(await node.ended, 1);
  assert.equal(said(node.lines).length, 1, node.lines.join("\n"));
  assert.match(node.lines[0] as string, /tried \/opt\/web-chat-65534 \(the file system is read-only\): set NATIVE_DIR/);
  assert.deepEqual(libraries(), []);
});

test("four copies that start at the same moment share one library", { skip }, async t => {
  const { wrapper, libraries } = bareSystem(t, { writable: ["/data", "/tmp"] });
  const nodes = await Promise.all(
    ["one", "two", "three", "four"].map(name =>
      spawnNode(t, { DATA_DIR: `/data/${name}`, NATIVE_DIR: "/tmp" }, wrapper, [], PROGRAM),
    ),
  );
  for (const node of nodes) await works(t, node);
  assert.equal(libraries().length, 1);
  assert.deepEqual(libraries()[0]?.beside, [], "no draft is left");
});

test("a library that is damaged is written anew", { skip }, async t => {
  const { wrapper, libraries, outside } = bareSystem(t, { writable: ["/data"] });
  const first = await spawnNode(t, { DATA_DIR: "/data" }, wrapper, [], PROGRAM);
  assert.equal(await first.kill("SIGTERM"), 0);
  const path = join(outside("/data"), "native", libraries()[0]?.name as string);
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, 4_096));
  const again = await spawnNode(t, { DATA_DIR: "/data" }, wrapper, [], PROGRAM);
  await works(t, again);
  assert.deepEqual(readFileSync(path), whole);
});

/** The executable with another build of the library in it: other in the note that names its compiler, and so in its name. */
function otherVersion(t: TestContext): string {
  const path = join(temporaryDirectory(t), "web-chat");
  const bytes = readFileSync(executable);
  const note = bytes.lastIndexOf("GCC: (");
  const start = bytes.lastIndexOf("\x7fELF", note);
  const [, sum = "", size] = /zeromq-([0-9a-f]{64})\.node":\[\d+,(\d+)\]/.exec(bytes.toString("latin1")) ?? [];
  const library = bytes.subarray(start, start + Number(size));
  assert.equal(hash("sha256", library), sum);
  bytes.write("gcc: (", note);
  const other = hash("sha256", library);
  for (let at = bytes.indexOf(sum); at >= 0; at = bytes.indexOf(sum, at)) bytes.write(other, at);
  writeFileSync(path, bytes, { mode: 0o755 });
  return path;
}

test("two versions keep a library each in a cache that they share, and both run", { skip }, async t => {
  const options = { writable: ["/data", "/tmp"], programs: { "web-chat-next": otherVersion(t) } };
  const { wrapper, libraries } = bareSystem(t, options);
  const shared = { NATIVE_DIR: "/tmp" };
  const old = await spawnNode(t, { ...shared, DATA_DIR: "/data/old" }, wrapper, [], PROGRAM);
  const next = await spawnNode(t, { ...shared, DATA_DIR: "/data/next" }, wrapper, [], ["/opt/web-chat/web-chat-next"]);
  await works(t, old);
  await works(t, next);
  assert.equal(libraries().length, 2);
});

test("a data folder keeps the library of the version that runs on it alone", { skip }, async t => {
  const options = { writable: ["/data"], programs: { "web-chat-next": otherVersion(t) } };
  const { wrapper, libraries, outside } = bareSystem(t, options);
  const old = await spawnNode(t, { DATA_DIR: "/data" }, wrapper, [], PROGRAM);
  assert.equal(await old.kill("SIGTERM"), 0);
  const [before] = libraries();
  writeFileSync(join(outside("/data"), "native", `${before?.name}.draft`), "of one that was killed while it wrote");
  const next = await spawnNode(t, { DATA_DIR: "/data" }, wrapper, [], ["/opt/web-chat/web-chat-next"]);
  await next.logged('"ready"');
  await works(t, next);
  const [after, ...others] = libraries();
  assert.deepEqual([others, after?.beside], [[], []]);
  assert.notEqual(after?.name, before?.name);
});

test("of a system it needs the C library and that of C++; what lacks is named", { skip }, async t => {
  const root = temporaryDirectory(t);
  emptySystem(root);
  const wrapper = ["chroot", `--userspec=${STRANGER}:${STRANGER}`, "--groups=", root];
  const node = await spawnNode(t, { DATA_DIR: "/data" }, wrapper, [], ["/web-chat"]);
  await works(t, node);
  assert.equal(await node.kill("SIGTERM"), 0);
  rmSync(join(root, PLATFORMS[process.arch]?.folder as string, "libstdc++.so.6"));
  const without = runNode({ DATA_DIR: "/data" }, wrapper, [], ["/web-chat"]);
  assert.equal(await without.ended, 127);
  assert.deepEqual(said(without.lines).length, 1);
  assert.match(without.lines[0] as string, /libstdc\+\+\.so\.6: cannot open shared object file/);
});

/** Where Debian has the libraries of a platform, and where programs look for the one that loads the others. */
const PLATFORMS: Partial<Record<NodeJS.Architecture, { folder: string; loader: string }>> = {
  x64: { folder: "lib/x86_64-linux-gnu", loader: "lib64/ld-linux-x86-64.so.2" },
  arm64: { folder: "lib/aarch64-linux-gnu", loader: "lib/ld-linux-aarch64.so.1" },
};
const LIBRARIES = ["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "libgcc_s.so.1", "libstdc++.so.6"];

/** Nothing but the executable, the libraries and a folder for the data. */
function emptySystem(root: string): void {
  const { folder, loader } = PLATFORMS[process.arch] as { folder: string; loader: string };
  const copy = (name: string, to: string) => {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    copyFileSync(join(SYSTEM, folder, name), join(root, to));
  };
  for (const name of LIBRARIES) copy(name, join(folder, name));
  copy(basename(loader), loader);
  copyFileSync(executable, join(root, "web-chat"));
  mkdirSync(join(root, "data"));
  chownSync(join(root, "data"), STRANGER, STRANGER);
  chmodSync(root, 0o755);
}
