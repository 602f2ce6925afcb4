/** Wires one node together: start it, and get what stops it. */
import type { RequestListener } from "node:http";
import { v4 as uuid } from "uuid";
import { LogAdministration } from "./administration.ts";
import { loadAssets } from "./assets.ts";
import { Clock } from "./clock.ts";
import { Cluster } from "./cluster/cluster.ts";
import { keysOf } from "./cluster/keys.ts";
import { ownHosts } from "./cluster/seeds.ts";
import type { Config } from "./config.ts";
import { openControl } from "./control/server.ts";
import { Gateway } from "./gateway.ts";
import { answerHttp, pathBelow } from "./http.ts";
import { Listener } from "./listener.ts";
import { Log } from "./log/log.ts";
import { Metrics } from "./metrics.ts";
import { People } from "./people.ts";
import type { AnyServerPlugin, NodeFigures } from "./plugin.ts";
import { Proxies } from "./proxies.ts";
import { Reading } from "./reading.ts";
import { Registry } from "./registry.ts";
import { Rooms } from "./rooms.ts";
import { Router } from "./router.ts";
import { SignIn } from "./signin.ts";
import { type Certificates, openCertificates, type PublicAuthority } from "./tls/certificates.ts";
import { isForStrangers, withAuthority } from "./tls/install.ts";
import { answerPlain } from "./tls/plain.ts";
import { Vitals } from "./vitals.ts";

export type NodeOptions = {
  config: Config;
  plugins: readonly AnyServerPlugin[];
  version: string;
  /** Directory of the built UI. */
  ui: string;
  logger: Logger;
};

export type Logger = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
};

export type RunningNode = {
  /** Where a browser on this machine finds it. */
  url: string;
  port: number;
  zmqPort: number;
  zmqPubPort: number;
  id: string;
  dataDir: string;
  log: Log;
  /** The nodes of the cluster that are up, this one first. */
  nodes(): { id: string; name: string }[];
  /** What people install on their devices to trust a certificate that this node made. */
  authority: PublicAuthority | undefined;
  /** Resolves when the node has caught up with its cluster. */
  ready: Promise<void>;
  /** Takes over a certificate that was renewed, where there is any. */
  reload(): void;
  /** Takes nothing more, commits what it took, tells the peers, and closes. */
  stop(): Promise<void>;
};

const TICK_MS = 1_000;
const FACTS_PAGE = 5_000;

/** Starts a node. Throws `Reject` with one clear line where it cannot start; nothing is left open then. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const registry = new Registry(options.plugins);
  const open: Closing[] = [];
  try {
    return await wire(options, registry, open);
  } catch (error) {
    for (const close of open.toReversed()) await close();
    throw error;
  }
}

type Closing = () => unknown;

/** `open` is told how to close whatever has been opened, in the order of opening. */
async function wire(options: NodeOptions, registry: Registry, open: Closing[]): Promise<RunningNode> {
  const { config, version, ui, logger } = options;
  const failed = (what: string, error: unknown) => logger.error({ what, err: error }, "something failed");
  const log = await Log.open(config.dataDir);
  open.push(() => log.close());
  const certificates = await openCertificates(config, log.directory, logger);
  open.push(() => certificates?.close());
  const self = { id: await ownId(log), name: config.name, version };
  const clock = new Clock(Date.now, await log.lastHlc());
  const people = new People();
  const rooms = new Rooms();
  const vitals = new Vitals();
  open.push(() => vitals.close());
  const figures = (): NodeFigures => ({
    ...self,
    startedAt: vitals.startedAt,
    clients: gateway.size,
    messagesPerSecond: vitals.messagesPerSecond,
    rssBytes: process.memoryUsage.rss(),
    lagMs: vitals.lagMs,
    busOpen: config.secrets.length === 0,
    peers: cluster.peers(),
  });
  const router = new Router({ registry, log, clock, people, rooms, figures, failed });
  await learnFacts(log, router);

  const cluster: Cluster = await openCluster(options, self, log, router);
  open.push(() => cluster.close());
  const metrics = new Metrics({
    clients: () => gateway.size,
    peersUp: () => cluster.peers().filter(({ up }) => up).length,
    waiting: () => log.waiting,
    bus: () => cluster.queues,
    lagMs: () => vitals.lagMs,
  });
  const health = () => ({
    ok: true,
    version,
    node: self,
    ready: cluster.isReady && log.isSound,
    peers: cluster.peers(),
    types: registry.versions(),
  });
  const answer = answerHttp({
    basePath: config.basePath,
    assets: withAuthority(loadAssets(ui), certificates?.authority),
    health,
    isReady: () => cluster.isReady && log.isSound,
    metrics: async () => ({ type: metrics.contentType, text: await metrics.text() }),
    failed,
  });
  const listener = openListener(config.basePath, answer, certificates);
  const proxies = new Proxies(config.trustProxy);
  const publicHosts = config.publicUrl ? [config.publicUrl.host] : [];
  const claims = { perSecond: config.claimLimit / 3_600, burst: config.claimLimit };
  const gateway: Gateway = new Gateway({
    http: listener.http,
    path: `${config.basePath}/socket.io/`,
    addressOf: request => proxies.addressOf(request),
    isFromOwnPage: request => proxies.isFromOwnPage(request, publicHosts),
    router,
    reading: new Reading(log, rooms, registry, envelope => router.copiesOf(envelope)),
    signIn: new SignIn({ people, rooms, log, clock, claims }),
    registry,
    rooms,
    log,
    rate: { perSecond: config.rateLimit, burst: config.rateLimit * 3 },
    node: () => self,
    nodes: () => cluster.nodes(),
    failed,
    count: (what, amount) => {
      metrics.count(what, amount);
      if (what === "received") vitals.received(amount);
    },
  });
  // The one ends the connections of clients, and the other all that it finds besides.
  open.push(() => Promise.all([gateway.close(), listener.close()]));
  log.failed = error => failed("telling of a commit", error);
  log.committed = commit => {
    metrics.committed(commit.envelopes.length, commit.tookMs);
    router.committed(commit);
  };
  router.connect(cluster, gateway);
  open.push(() => router.close());
  const ticker = setInterval(() => {
    vitals.tick();
    router.tick();
  }, TICK_MS);
  open.push(() => clearInterval(ticker));
  router.tick();

  const port = await listener.listen(config);
  const administration = new LogAdministration(log, clock, config.name);
  try {
    open.push(await openControl({ dataDir: log.directory, administration, health, failed }));
  } catch (error) {
    logger.warn({ why: (error as Error).message }, "there is no control socket: commands do not reach this node");
  }
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    // What was accepted is committed and acked before the sockets close; a flood of more would only delay that.
    gateway.pause();
    await log.drain();
    await new Promise(resolve => setImmediate(resolve));
    for (const close of open.toReversed()) await close();
  };
  return {
    url: `${certificates ? "https" : "http"}://localhost:${port}${config.basePath}`,
    port,
    zmqPort: cluster.self.port,
    zmqPubPort: cluster.self.pubPort,
    id: self.id,
    dataDir: log.directory,
    log,
    nodes: () => cluster.nodes(),
    authority: certificates?.authority,
    ready: cluster.ready,
    reload: () => certificates?.reload(),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function openListener(basePath: string, answer: RequestListener, certificates: Certificates | undefined): Listener {
  // What a device gets before it trusts this node.
  const isOpen = (path: string) =>
    certificates?.authority !== undefined && isForStrangers(pathBelow(basePath, path) ?? "");
  return new Listener({ answer, answerPlain: answerPlain(answer, isOpen), certificates });
}

async function openCluster(
  { config, logger }: NodeOptions,
  self: { id: string; name: string; version: string },
  log: Log,
  router: Router,
): Promise<Cluster> {
  return Cluster.open({
    self: { ...self, boot: uuid(), hosts: config.advertise.length > 0 ? config.advertise : ownHosts() },
    port: config.zmqPort,
    pubPort: config.zmqPubPort,
    keys: config.secrets.map(keysOf),
    seeds: config.seeds,
    log,
    heads: await log.heads(),
    logger,
    events: {
      signal: signal => router.signalled(signal),
      stateChanged: (type, key) => router.stateChanged(type, key),
      held: (peer, seq) => router.held(peer, seq),
    },
  });
}

/** People and rooms, from what is in the log already. */
async function learnFacts(log: Log, router: Router): Promise<void> {
  for (let pos = 0; ; ) {
    const facts = await log.facts(pos, FACTS_PAGE);
    router.learn(facts);
    pos = facts.at(-1)?.pos ?? pos;
    if (facts.length < FACTS_PAGE) return;
  }
}

/** The node's own id, kept in its data directory. */
async function ownId(log: Log): Promise<string> {
  const known = await log.setting("node");
  if (known !== undefined) return known;
  const id = uuid();
  await log.set("node", id);
  return id;
}
