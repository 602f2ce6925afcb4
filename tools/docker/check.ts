/**
 * Builds the Dockerfile and runs its image without a Docker engine: `npm run docker:check`. Three containers with names and
 * addresses of their own become one chat; then five replicas of compose.yaml's service on one volume.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { io, type Socket } from "socket.io-client";
import { parse } from "yaml";
import { Network } from "../network.ts";
import { Container, type Run } from "./container.ts";
import { buildImage, configOf, makeStandIns, missing, mountImage, ROOT } from "./images.ts";
import { Names } from "./names.ts";

const MAX_BYTES = 220e6;
const PATIENCE_MS = 30_000;
const IMAGE = "web-chat";
const USER = 10001;
/** One of two halves, so that both are compiled in the container. */
const PLUGIN = "plugins/examples/poll";

const lacking = missing();
if (lacking) {
  console.log(`The image is not checked: it needs ${lacking}.`);
  process.exit();
}
const folder = mkdtempSync(join(tmpdir(), "web-chat-docker-"));
const closing: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
try {
  await step("base images", makeStandIns);
  await step("docker build", () => buildImage(IMAGE));
  const { root, unmount } = mountImage(IMAGE);
  closing.push(unmount);
  await step("what the image is", () => inspect(root));
  await step("three containers by name", () => threeByName(root));
  await step("five replicas of compose.yaml", () => fiveReplicas(root));
} finally {
  for (const close of closing.toReversed()) await close();
}

async function step(name: string, work: () => unknown): Promise<void> {
  const startedAt = performance.now();
  process.stdout.write(`${name} … `);
  const before = closing.length;
  const said = await work();
  for (const close of closing.splice(before).toReversed()) await close();
  console.log(`${said ? `${said} ` : ""}(${((performance.now() - startedAt) / 1_000).toFixed(1)} s)`);
}

function inspect(root: string): string {
  const { User, Volumes, StopSignal, Healthcheck, Entrypoint } = configOf(IMAGE);
  assert.deepEqual(
    { User, Volumes, StopSignal, Entrypoint, test: Healthcheck.Test },
    {
      User: `${USER}:${USER}`,
      Volumes: { "/data": {} },
      StopSignal: "SIGTERM",
      Entrypoint: ["web-chat"],
      test: ["CMD", "web-chat", "health"],
    },
  );
  const bytes = Number(execFileSync("du", ["-sb", root], { encoding: "utf8" }).split("\t")[0]);
  assert.ok(bytes <= MAX_BYTES, `${bytes} bytes unpacked`);
  for (const absent of ["node", "npm"])
    assert.throws(
      () => execFileSync("chroot", [root, "sh", "-c", `command -v ${absent}`]),
      `${absent} is in the image`,
    );
  return `${Math.round(bytes / 1e6)} MB unpacked`;
}

/** The commands of the README, with two of the three named before they are there, and a plugin in the first. */
async function threeByName(root: string): Promise<string> {
  const { network, names } = newNetwork("three");
  const hosts = ["chat-a", "chat-b", "chat-c"].map(name => network.add(name));
  await names.serve();
  const containers = hosts.map(host => {
    const others = hosts.flatMap(({ name }) => (name === host.name ? [] : name)).join(",");
    const volume = newVolume(host.name);
    if (host === hosts[0]) cpSync(join(ROOT, PLUGIN), join(volume, "plugins", basename(PLUGIN)), { recursive: true });
    return start(names, root, host, { ZMQ_HOST: others }, volume);
  });
  const [healthOfFirst] = await Promise.all(containers.map(container => met(container, 2)));
  assert.equal(healthOfFirst?.types[basename(PLUGIN)], 1, containers[0]?.lines.join("\n"));
  const heard = await crossed(containers[0] as Container, containers[2] as Container);
  for (const container of containers) {
    const health = await container.exec("web-chat", "health");
    assert.equal(health.code, 0, health.output);
  }
  const digests = await Promise.all(containers.map(container => container.exec("web-chat", "digest")));
  assert.equal(new Set(digests.map(({ output }) => output)).size, 1, JSON.stringify(digests));
  const codes = await Promise.all(containers.map(container => container.stop()));
  assert.deepEqual(codes, [0, 0, 0]);
  return `${heard}, a plugin in /data/plugins is on, equal digests, exit code 0`;
}

async function fiveReplicas(root: string): Promise<string> {
  const compose = parse(readFileSync(join(ROOT, "compose.yaml"), "utf8")) as {
    services: { chat: { environment: Record<string, string> } };
  };
  const { network, names } = newNetwork("five");
  const hosts = Array.from({ length: 5 }, (_, index) => network.add(`replica-${index + 1}`));
  await names.serve({ chat: hosts });
  const volume = newVolume("shared");
  const environment = { ...compose.services.chat.environment, CLUSTER_SECRET: "of this check and of nothing else" };
  const containers = hosts.map(host => start(names, root, host, environment, volume));
  await Promise.all(containers.map(container => met(container, 4)));
  const heard = await crossed(containers[0] as Container, containers[4] as Container);
  const codes = await Promise.all(containers.map(container => container.stop()));
  assert.deepEqual(codes, [0, 0, 0, 0, 0]);
  assert.equal(execFileSync("ls", [volume], { encoding: "utf8" }), "1\n2\n3\n4\n5\nnative\n");
  return `${heard}, a folder for each`;
}

function newNetwork(name: string): { network: Network; names: Names } {
  const network = new Network();
  closing.push(() => network.close());
  const names = new Names(network, join(folder, name));
  closing.push(() => names.close());
  return { network, names };
}

function newVolume(name: string): string {
  const volume = join(folder, `volume-${name}`);
  mkdirSync(volume, { mode: 0o700 });
  chownSync(volume, USER, USER);
  return volume;
}

function start(names: Names, root: string, host: Run["host"], environment: Run["environment"], volume: string) {
  const image = configOf(IMAGE);
  const { resolvConf } = names;
  const own = join(folder, host.name);
  const container = new Container({ host, root, image, environment, volume, resolvConf, folder: own });
  closing.push(() => container.stop("SIGKILL"));
  return container;
}

type Health = { ready: boolean; types: Record<string, number>; peers: { up: boolean }[] };

/** Resolves with what it says of itself when a container is ready and has that many peers. */
async function met(container: Container, peers: number): Promise<Health> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await fetch(`http://${container.host.address}:5002/healthz`).catch(() => undefined);
    const health = (await answer?.json()) as Health | undefined;
    if (health?.ready && health.peers.filter(({ up }) => up).length === peers) return health;
    if (performance.now() > until)
      throw new Error(`${container.host.name}: ${JSON.stringify(health)}\n${container.lines.join("\n")}`);
    await sleep(50);
  }
}

/** What a browser of one container writes, one of another reads. */
async function crossed(from: Container, to: Container): Promise<string> {
  const [writer, reader] = await Promise.all([enter(from, "Ana"), enter(to, "Raj")]);
  const read = new Promise<{ body: { text: string } }>(resolve => reader.on("text", resolve));
  const text = `from ${from.host.name}`;
  const sent = await writer.timeout(PATIENCE_MS).emitWithAck("text", { room: "lobby", body: { text } });
  assert.ok(sent.ok, JSON.stringify(sent));
  assert.equal((await read).body.text, text);
  writer.disconnect();
  reader.disconnect();
  return `${from.host.name} is read on ${to.host.name}`;
}

async function enter({ host }: Container, name: string): Promise<Socket> {
  const socket = io(`http://${host.address}:5002`, { auth: { name }, transports: ["websocket"], forceNew: true });
  await new Promise((resolve, reject) => {
    socket.once("welcome", resolve);
    socket.once("connect_error", reject);
  });
  const joined = await socket.timeout(PATIENCE_MS).emitWithAck("join", { room: "lobby", cursor: {} });
  assert.ok(joined.ok);
  return socket;
}
