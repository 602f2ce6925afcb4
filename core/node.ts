/** Wires one node together: start it, and get what stops it. */

import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { v4 as uuid } from "uuid";
import { LogAdministration } from "./administration.ts";
import { Collector } from "./blobs/collector.ts";
import { BlobFiles } from "./blobs/files.ts";
import { BlobHttp } from "./blobs/http.ts";
import { Uploads } from "./blobs/uploads.ts";
import { Clock } from "./clock.ts";
import { Bus } from "./cluster/bus.ts";
import { Cluster } from "./cluster/cluster.ts";
import { keysOf } from "./cluster/keys.ts";
import { ownHosts, resolveSeed } from "./cluster/seeds.ts";
import type { Config } from "./config.ts";
import { openControl } from "./control/server.ts";
import { asReject, type Reject } from "./errors.ts";
import { writeFact } from "./facts.ts";
import { Forgotten } from "./forgotten.ts";
import { FORK } from "./forks.ts";
import { Gateway } from "./gateway.ts";
import { answerHttp, pathBelow } from "./http.ts";
import { Listener } from "./listener.ts";
import { Log } from "./log/log.ts";
import { Memory } from "./memory.ts";
import { People } from "./people.ts";
import type { AnyServerPlugin } from "./plugin.ts";
import { assertFolder, type PluginFolder } from "./plugins/folders.ts";
import { openPlugins, type Plugins } from "./plugins/plugins.ts";
import { Proxies } from "./proxies.ts";
import { Reading } from "./reading.ts";
import { Report, type ReportParts, type Self } from "./report.ts";
import { Rooms } from "./rooms.ts";
import { Router, type RouterParts } from "./router.ts";
import { SignIn } from "./signin.ts";
import { type Cancel, guarded, realTime, type Time } from "./time.ts";
import { type Certificates, openCertificates, type PublicAuthority } from "./tls/certificates.ts";
import { isForStrangers, withAuthority } from "./tls/install.ts";
import { answerPlain } from "./tls/plain.ts";
import { ownUrls, urlsFor } from "./urls.ts";
import { Webhooks } from "./webhooks.ts";

export type NodeOptions = {
  config: Config;
  /** The built-in ones; those that were dropped in come after them. */
  plugins: readonly AnyServerPlugin[];
  version: string;
  /** Directory of the built UI. */
  ui: string;
  logger: Logger;
  /** The machine's own, unless given. */
  time?: Time;
  /** This process is the node's own: its heap too, and it is restarted where a plugin keeps it for good. */
  restarts?: boolean;
  /** The folder of a plugin that is being written; in place of one of that name among those that were dropped in. */
  dev?: PluginFolder | undefined;
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
  /** Resolves with the reason where the cluster does not let this node go on; it takes nothing more then, and stops. */
  refused: Promise<Reject>;
  /** Takes over a certificate that was renewed, where there is any. */
  reload(): void;
  /** Takes nothing more, commits what it took, tells the peers, and closes. */
  stop(): Promise<void>;
};

const TICK_MS = 1_000;
const FACTS_PAGE = 5_000;

/** Starts a node. Throws `Reject` with one clear line where it cannot start; nothing is left open then. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const open = new AsyncDisposableStack();
  try {
    return await wire(options, open);
  } catch (error) {
    await open.disposeAsync();
    throw error;
  }
}

/** What most parts of a node need. */
type Ground = Omit<RouterParts, "ack" | "figures" | "blobs"> & {
  self: Self;
  report: Report;
  blobs: BlobFiles;
  uploads: Uploads;
  collector: Collector;
  plugins: Plugins;
};

/** `open` is told how to close whatever has been opened, in the order of opening. */
async function wire(options: NodeOptions, open: AsyncDisposableStack): Promise<RunningNode> {
  const { config, logger } = options;
  const ground = await layGround(options, open, {
    cluster: () => cluster,
    clients: () => gateway.size,
    backlog: () => gateway.backlog,
  });
  const { log, report } = ground;
  const certificates = await openCertificates(config, log.directory, logger);
  open.defer(() => certificates?.close());
  const router = new Router({ ...ground, ack: config.ack, figures: () => report.figures() });
  await learnFacts(log, router);
  const refused = Promise.withResolvers<Reject>();
  const cluster: Cluster = await openCluster(options, ground, router, refused.resolve);
  open.defer(() => cluster.close());
  ground.blobs.damaged = hash => cluster.damagedBlob(hash);
  ground.blobs.removed = hash => cluster.removedBlob(hash);
  ground.blobs.unreadable = error => cluster.unreadableBlobs(error);
  const listener = makeListener(options, ground, { certificates, cluster, router });
  const gateway: Gateway = makeGateway(config, ground, { listener, router, cluster });
  // The one ends the connections of clients, and the other all that it finds besides.
  open.defer(async () => {
    await Promise.all([gateway.close(), listener.close()]);
  });
  const memory = options.restarts ? new Memory() : undefined;
  followCommits(ground, router, logger, memory);
  router.connect(cluster, gateway);
  await ground.plugins.develop({ deliveries: router.deliveries, gateway }, certificates?.authority);
  open.defer(() => router.close());
  open.defer(startTicking(ground, router, () => memory?.tick(gateway.size)));

  const port = await listener.listen(config);
  cluster.servesAt(ownUrls(config, { port, secure: certificates !== undefined }));
  open.defer(await openAdministration(ground, cluster, logger));
  const reason = await Promise.race([refused.promise, undefined]);
  if (reason) throw reason;
  let stopped: Promise<void> | undefined;
  const stopOnce = () => {
    stopped ??= stop({ gateway, router, log }, open);
    return stopped;
  };
  void refused.promise.then(stopOnce).catch(error => ground.failed("stopping", error));
  return {
    url: `${certificates ? "https" : "http"}://localhost:${port}${config.basePath}`,
    port,
    zmqPort: cluster.self.port,
    zmqPubPort: cluster.self.pubPort,
    id: ground.self.id,
    dataDir: log.directory,
    log,
    nodes: () => cluster.nodes(),
    authority: certificates?.authority,
    ready: cluster.ready,
    reload: () => certificates?.reload(),
    refused: refused.promise,
    stop: stopOnce,
  };
}

/** `late` are parts that stand on it, and that nobody asks for before they are there. */
async function layGround(
  options: NodeOptions,
  open: AsyncDisposableStack,
  late: Pick<ReportParts, "cluster" | "clients" | "backlog">,
): Promise<Ground> {
  const { config, version, logger, time: unguarded = realTime } = options;
  const failed = (what: string, error: unknown) => logger.error({ what, err: error }, "something failed");
  const time = guarded(unguarded, failed);
  let report: Report | undefined;
  if (config.plugins !== undefined) assertFolder(config.plugins);
  const log = await Log.open(config.dataDir);
  open.defer(() => log.close());
  const plugins = await openPlugins(
    options,
    {
      dataDir: log.directory,
      time,
      failed: (type, hook) => report?.pluginFailed(type, hook),
      slow: (type, hook, ms) => report?.pluginSlow(type, hook, ms),
    },
    open,
  );
  const { registry, faults } = plugins;
  const { blobs, uploads, collector } = await openBlobs(config, { log, time, failed }, open);
  const self = { id: await ownId(log), name: config.name, version };
  const isBusOpen = config.secrets.length === 0;
  report = new Report({ self, registry, faults, log, blobs, uploads: () => uploads.size, isBusOpen, ...late });
  open.defer(() => report.close());
  return {
    self,
    registry,
    log,
    clock: await clockOf(log, time),
    time,
    people: new People(),
    rooms: new Rooms(),
    forgotten: new Forgotten(),
    blobs,
    uploads,
    collector,
    report,
    plugins,
    failed,
  };
}

async function openBlobs(
  { blobLimit, blobQuota }: Config,
  { log, time, failed }: Pick<Ground, "log" | "time" | "failed">,
  open: AsyncDisposableStack,
): Promise<Pick<Ground, "blobs" | "uploads" | "collector">> {
  const blobs = await BlobFiles.open(join(log.directory, "blobs"));
  const uploads = new Uploads(blobs, { maxBytes: blobLimit, bytesPerHour: blobQuota });
  open.defer(() => uploads.settled());
  const collector = new Collector({ files: blobs, log, time, failed });
  open.defer(() => collector.close());
  return { blobs, uploads, collector };
}

/** Later than what this node wrote, and, as far as that is believed, than what it took from others. */
async function clockOf(log: Log, time: Time): Promise<Clock> {
  const clock = new Clock(time.wall, await log.lastHlc());
  clock.observe(await log.latestHlc());
  return clock;
}

async function openCluster(
  { config, logger }: NodeOptions,
  { self, log, blobs, clock, time, forgotten }: Ground,
  router: Router,
  refused: (reason: Reject) => void,
): Promise<Cluster> {
  const isFixed = config.advertise.length > 0;
  return Cluster.open({
    self: { ...self, boot: uuid(), startedAt: time.wall(), hosts: isFixed ? config.advertise : ownHosts() },
    hosts: isFixed ? undefined : ownHosts,
    port: config.zmqPort,
    pubPort: config.zmqPubPort,
    keys: config.secrets.map(keysOf),
    seeds: config.seeds,
    resolve: resolveSeed,
    openBus: Bus.open,
    time,
    log,
    files: blobs,
    heads: await log.heads(),
    forgotten,
    logger,
    events: {
      signal: signal => router.signals.received(signal),
      stateChanged: (type, key) => router.stateChanged(type, key),
      held: (peer, seq) => router.holders.held(peer, seq),
      blobsHeld: hashes => router.holders.blobsHeld(hashes),
      early: router.early,
      giveUp: fork => writeFact(FORK, self, fork, { log, clock }),
      refused,
      nodesChanged: () => router.nodesChanged(),
    },
  });
}

/** The port of the page, which nobody can come to yet. */
function makeListener(
  { config }: NodeOptions,
  { report, plugins: { served }, blobs, uploads, people, time, failed }: Ground,
  { certificates, cluster, router }: { certificates: Certificates | undefined; cluster: Cluster; router: Router },
): Listener {
  const { basePath, trustProxy } = config;
  const proxies = new Proxies(trustProxy);
  served.assets = withAuthority(served.assets, certificates?.authority);
  const blobHttp = new BlobHttp({
    files: blobs,
    uploads,
    people,
    isReady: () => cluster.isReady,
    addressOf: request => proxies.addressOf(request),
    isFromOwnPage: ownPages(config, cluster),
    find: async (hash, person) => ((await cluster.fetchBlob(hash, person)) ? blobs.info(hash) : undefined),
    failed,
  });
  const webhooks = new Webhooks({
    route: type => router.deliveries.route(type),
    addressOf: request => proxies.addressOf(request),
    time,
    failed,
  });
  report.gauge("chat_downloads", "Blobs that clients are sent, or wait for", () => blobHttp.sending);
  report.gauge("chat_webhooks", "Requests to plugins that have no answer yet", () => webhooks.size);
  const answer = answerHttp({
    basePath,
    get assets() {
      return served.assets;
    },
    health: () => report.health(),
    isReady: () => report.isReady,
    blobs: blobHttp,
    webhooks,
    metrics: () => report.metrics(),
    failed,
  });
  // What a device gets before it trusts this node.
  const isOpen = (path: string) =>
    certificates?.authority !== undefined && isForStrangers(pathBelow(basePath, path) ?? "");
  return new Listener({ answer, answerPlain: answerPlain(answer, isOpen), certificates });
}

/** Whether a request comes from a page of this cluster, or from none. */
function ownPages({ trustProxy, publicUrl }: Config, cluster: Cluster): (request: IncomingMessage) => boolean {
  const proxies = new Proxies(trustProxy);
  const publicHosts = publicUrl ? [publicUrl.host] : [];
  return request => proxies.isFromOwnPage(request, publicHosts, () => cluster.siblings());
}

function makeGateway(
  config: Config,
  { self, registry, log, clock, time, people, rooms, report, failed, plugins: { served, pageFailures } }: Ground,
  { listener, router, cluster }: { listener: Listener; router: Router; cluster: Cluster },
): Gateway {
  const proxies = new Proxies(config.trustProxy);
  const claims = { perSecond: config.claimLimit / 3_600, burst: config.claimLimit };
  const reading = new Reading({ log, rooms, registry, time, holders: router.holders, cluster });
  const signIn = new SignIn({ people, rooms, log, clock, claims, isReady: () => cluster.isReady });
  const gateway = new Gateway({
    http: listener.http,
    path: `${config.basePath}/socket.io/`,
    addressOf: request => proxies.addressOf(request),
    isFromOwnPage: ownPages(config, cluster),
    visitorOf: request => proxies.visitorOf(request),
    router,
    reading,
    signIn,
    registry,
    rooms,
    log,
    rate: { perSecond: config.rateLimit, burst: config.rateLimit * 3 },
    ack: config.ack,
    blobBytes: config.blobLimit,
    node: () => self,
    get page() {
      return served.page;
    },
    nodes: visitor => urlsFor(visitor, cluster.nodes()),
    failed,
    pageFailed: (failure, by) => pageFailures.take(failure, by),
    count: (what, amount) => report.count(what, amount),
  });
  report.gauge("chat_requests_waiting", "Requests of clients that have no answer yet", () => gateway.requests);
  report.gauge("chat_sign_ins_waiting", "Clients that wait to be let in", () => signIn.waiting);
  report.gauge("chat_reads", "Reads of the log that are under way, or wait", () => reading.waiting);
  report.gauge("chat_searches", "Searches that are under way, or wait", () => log.searching.searches);
  report.gauge(
    "chat_search_behind",
    "Envelopes that are not in the index for searches yet",
    () => log.searching.behind,
  );
  report.gauge("chat_messages_held", "Messages that are kept back for clients that join", () => gateway.held);
  report.gauge("chat_acks_waiting", "Acks that wait for another node", () => router.holders.waiting);
  return gateway;
}

function followCommits(
  { log, report, collector, failed }: Ground,
  router: Router,
  logger: Logger,
  memory: Memory | undefined,
): void {
  log.turned = refusal => {
    if (refusal) logger.error({ code: asReject(refusal).code }, `nothing can be stored: ${asReject(refusal).message}`);
    else logger.info({}, "messages are stored again");
  };
  log.failed = error => failed("the log", error);
  log.committed = commit => {
    report.committed(commit);
    memory?.committed(commit.envelopes.length);
    router.committed(commit);
    if (commit.freed.length > 0) collector.release(commit.freed);
  };
}

/** The first time at once. */
function startTicking({ report, time }: Ground, router: Router, tick: () => void): Cancel {
  router.deliveries.tick();
  return time.every(TICK_MS, () => {
    report.tick();
    tick();
    router.deliveries.tick();
  });
}

/** Resolves with what ends it. A node that cannot be administered serves all the same. */
async function openAdministration(
  { self, log, blobs, clock, report, failed }: Ground,
  cluster: Cluster,
  logger: Logger,
): Promise<() => Promise<void>> {
  const administration = new LogAdministration(log, blobs, clock, self.name, cluster);
  try {
    return await openControl({ dataDir: log.directory, administration, health: () => report.health(), failed });
  } catch (error) {
    logger.warn({ why: (error as Error).message }, "there is no control socket: commands do not reach this node");
    return async () => {};
  }
}

async function stop(
  { gateway, router, log }: { gateway: Gateway; router: Router; log: Log },
  open: AsyncDisposableStack,
): Promise<void> {
  // What was accepted is committed and acked before the sockets close; a flood of more would only delay that.
  gateway.pause();
  await log.drain();
  router.holders.stopWaiting();
  await new Promise(resolve => setImmediate(resolve));
  await open.disposeAsync();
}

/** People, rooms and forgotten nodes, from what is in the log already. */
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
