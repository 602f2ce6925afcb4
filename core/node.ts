/** Wires one node together: start it, and get what stops it. */
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { v4 as uuid } from "uuid";
import { loadAssets } from "./assets.ts";
import { Clock } from "./clock.ts";
import { Cluster } from "./cluster/cluster.ts";
import { ownHosts } from "./cluster/seeds.ts";
import type { Config } from "./config.ts";
import { Reject } from "./errors.ts";
import { Gateway } from "./gateway.ts";
import { createHttp } from "./http.ts";
import { Log } from "./log/log.ts";
import { Metrics } from "./metrics.ts";
import { People } from "./people.ts";
import type { AnyServerPlugin, NodeFigures } from "./plugin.ts";
import { Reading } from "./reading.ts";
import { Registry } from "./registry.ts";
import { Rooms } from "./rooms.ts";
import { Router } from "./router.ts";
import { SignIn } from "./signin.ts";

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
  id: string;
  log: Log;
  /** Resolves when the node has caught up with its cluster. */
  ready: Promise<void>;
  /** Takes nothing more, commits what it took, tells the peers, and closes. */
  stop(): Promise<void>;
};

const TICK_MS = 1_000;
const FACTS_PAGE = 5_000;
const LAG_RESOLUTION_MS = 20;
/** Seconds over which messages are averaged. */
const RATE_WINDOW = 5;

/** Starts a node. Throws `Reject` with one clear line where it cannot start; nothing is left open then. */
export async function startNode({ config, plugins, version, ui, logger }: NodeOptions): Promise<RunningNode> {
  const registry = new Registry(plugins);
  const cleanup: (() => unknown)[] = [];
  try {
    const log = await Log.open(config.dataDir);
    cleanup.push(() => log.close());
    const id = await ownId(log);
    const clock = new Clock(Date.now, await log.lastHlc());
    const people = new People();
    const rooms = new Rooms();
    const failed = (what: string, error: unknown) => logger.error({ what, err: error }, "something failed");
    const startedAt = Date.now();
    const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
    lag.enable();
    let lagMs = 0;
    const recent: number[] = [0];

    const figures = (): NodeFigures => ({
      id,
      name: config.name,
      version,
      startedAt,
      clients: gateway.size,
      messagesPerSecond: recent.reduce((sum, count) => sum + count, 0) / recent.length,
      rssBytes: process.memoryUsage.rss(),
      lagMs,
      busOpen: true,
      peers: cluster.peers(),
    });
    const router = new Router({ registry, log, clock, people, rooms, figures, failed });
    for (let pos = 0; ; ) {
      const facts = await log.facts(pos, FACTS_PAGE);
      router.learn(facts);
      pos = facts.at(-1)?.pos ?? pos;
      if (facts.length < FACTS_PAGE) break;
    }

    const cluster: Cluster = await Cluster.open({
      self: {
        id,
        boot: uuid(),
        name: config.name,
        version,
        hosts: config.advertise.length > 0 ? config.advertise : ownHosts(),
      },
      port: config.zmqPort,
      pubPort: config.zmqPubPort,
      seeds: config.seeds,
      log,
      heads: await log.heads(),
      logger,
      events: {
        signal: signal => router.signalled(signal),
        stateChanged: (type, key) => router.stateChanged(type, key),
        held: (peer, seq) => router.held(peer, seq),
        peersChanged: () => {},
      },
    });
    cleanup.push(() => cluster.close());

    const metrics = new Metrics({
      clients: () => gateway.size,
      peersUp: () => cluster.peers().filter(({ up }) => up).length,
      waiting: () => log.waiting,
      bus: () => cluster.queues,
      lagMs: () => lagMs,
    });
    const node = { id, name: config.name, version };
    const http = createHttp({
      assets: loadAssets(ui),
      health: () => ({
        ok: true,
        version,
        node,
        ready: cluster.isReady,
        peers: cluster.peers(),
        types: registry.versions(),
      }),
      isReady: () => cluster.isReady,
      metrics: async () => ({ type: metrics.contentType, text: await metrics.text() }),
      failed,
    });
    const gateway: Gateway = new Gateway({
      http,
      router,
      reading: new Reading(log, rooms, registry),
      signIn: new SignIn({
        people,
        rooms,
        log,
        clock,
        claims: { perSecond: config.claimLimit / 3_600, burst: config.claimLimit },
      }),
      registry,
      rooms,
      log,
      rate: { perSecond: config.rateLimit, burst: config.rateLimit * 3 },
      publicHosts: config.publicUrl ? [config.publicUrl.host] : [],
      node: () => node,
      nodes: () => cluster.nodes(),
      failed,
      count: (what, amount) => {
        metrics.count(what, amount);
        if (what === "received") recent[recent.length - 1] = (recent.at(-1) ?? 0) + amount;
      },
    });
    cleanup.push(() => gateway.close());
    log.failed = error => failed("telling of a commit", error);
    log.committed = commit => {
      metrics.committed(commit.envelopes.length, commit.tookMs);
      router.committed(commit);
    };
    router.connect(cluster, gateway);

    const ticker = setInterval(() => {
      // The monitor's own interval is part of what it measures.
      lagMs = Math.max(0, lag.percentile(99) / 1e6 - LAG_RESOLUTION_MS);
      lag.reset();
      router.tick();
      recent.push(0);
      if (recent.length > RATE_WINDOW) recent.shift();
    }, TICK_MS);
    cleanup.push(() => {
      clearInterval(ticker);
      lag.disable();
      router.close();
    });
    router.tick();

    const port = await listen(http, config);
    let stopping: Promise<void> | undefined;
    return {
      url: `http://localhost:${port}`,
      port,
      zmqPort: cluster.self.port,
      id,
      log,
      ready: cluster.ready,
      stop: () => {
        stopping ??= stop();
        return stopping;
      },
    };

    async function stop(): Promise<void> {
      clearInterval(ticker);
      // What was accepted is committed and acked before the sockets close.
      await log.drain();
      await new Promise(resolve => setImmediate(resolve));
      for (const close of cleanup.toReversed()) await close();
    }
  } catch (error) {
    for (const close of cleanup.toReversed()) await close();
    throw error;
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

async function listen(http: Server, { port, host }: Config): Promise<number> {
  const listening = once(http, "listening");
  if (host === "") http.listen(port);
  else http.listen(port, host);
  try {
    await listening;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE") throw new Reject("port-in-use", `port ${port} is in use: set PORT to a free one`);
    if (code === "EACCES") throw new Reject("config-invalid", `port ${port} needs rights that this user does not have`);
    throw new Reject("config-invalid", `cannot listen on ${host || "all addresses"}, port ${port}: ${message}`);
  }
  return (http.address() as AddressInfo).port;
}
