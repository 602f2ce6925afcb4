/** A node as a process: what its terminal shows, and how signals end it. */
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type DestinationStream, destination, type Logger, pino } from "pino";
import type { Config } from "./config.ts";
import { greeting, installPage } from "./greeting.ts";
import { releaseMemory } from "./memory.ts";
import { type NodeOptions, type RunningNode, startNode } from "./node.ts";
import type { nearMisses } from "./settings.ts";

/** What does not end in order within this time is ended. */
const STOP_WITHIN_MS = 4_500;
/** Lines of the log beyond it are lost. */
const MAX_UNWRITTEN_BYTES = 1024 * 1024;
/** How long a terminal waits for the cluster's state before it shows its greeting without. */
const GREET_WITHIN_MS = 1_000;

export type Serving = Omit<NodeOptions, "logger"> & {
  /** Environment variables that look like settings, and are none. */
  misspelt: ReturnType<typeof nearMisses>;
  /** Opens the page in the browser of this machine. */
  open: boolean;
};

/** Runs until a signal ends the process. Resolves when the node is ready; throws `Reject` where it cannot start. */
export async function serve({ misspelt, open: opens, ...options }: Serving): Promise<void> {
  const { config, version } = options;
  const logger = await makeLogger(config.logLevel);
  const node = await startNode({ ...options, logger, restarts: true });
  followSignals(node, logger);
  const warnings = [
    ...(config.secrets.length === 0 ? ["the bus is open to every private address; CLUSTER_SECRET closes it"] : []),
    ...misspelt.map(({ name, meant }) => `${name} is no setting: ${meant} may be meant`),
  ];
  if (process.stdout.isTTY) {
    await Promise.race([node.ready, node.refused, sleep(GREET_WITHIN_MS)]);
    process.stdout.write(greeting({ node, config, version, warnings, colour: process.stdout.hasColors() }));
  } else {
    const { url, zmqPort } = node;
    logger.info({ url, zmqPort, dataDir: node.dataDir, version }, `web-chat is at ${url}`);
    if (node.authority)
      logger.info(
        { fingerprint: node.authority.fingerprint },
        `${installPage(url)} says how devices come to trust this node`,
      );
    for (const warning of warnings) logger.warn({}, warning);
  }
  if (opens) await openPage(node.url, logger);
  const refusal = await Promise.race([node.ready, node.refused]);
  if (refusal) {
    await node.stop();
    throw refusal;
  }
  void node.refused.then(({ code, message }) => {
    logger.error({ code }, message);
    end(node, logger, 1);
  });
  logger.info({}, "ready");
  releaseMemory();
}

/** JSON lines, or lines for people where a terminal shows them. */
async function makeLogger(level: Config["logLevel"]): Promise<Logger> {
  if (!process.stdout.isTTY) return pino({ level }, standardOutput());
  const { default: pretty } = await import("pino-pretty");
  return pino(
    { level },
    pretty({ ignore: "pid,hostname", singleLine: true, sync: true }) as unknown as DestinationStream,
  );
}

/**
 * What cannot be written waits, and is written when it can be: a node must not end because its log's disk is full, nor
 * be kept from ending.
 */
function standardOutput(): DestinationStream {
  const output = destination({ fd: 1, sync: false, maxLength: MAX_UNWRITTEN_BYTES });
  // At the end of the process it tries until all is written, however often that fails.
  const { flushSync } = output;
  output.on("error", () => {
    output.flushSync = () => {};
  });
  output.on("write", () => {
    output.flushSync = flushSync;
  });
  return output;
}

async function openPage(url: string, logger: Logger): Promise<void> {
  const failed = (error: Error) => logger.warn({ why: error.message }, `no browser could be opened: open ${url}`);
  try {
    // A machine without a desktop has nothing that opens pages, and says so later.
    const { default: open } = await import("open");
    (await open(url)).once("error", failed);
  } catch (error) {
    failed(error as Error);
  }
}

function followSignals(node: RunningNode, logger: Logger): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, "stopping");
    end(node, logger, 0);
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  // Node would open its debugger, through which every user of this machine could run what they like as this one.
  process.on("SIGUSR1", () => {});
  process.on("SIGHUP", signal => (isForsaken() ? stop(signal) : node.reload()));
}

/** Ends the process with that exit code, or with 1 where the node does not stop in order. */
function end(node: RunningNode, logger: Logger, code: number): void {
  setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
  node.stop().then(
    () => {
      logger.info({}, "stopped");
      process.exit(code);
    },
    error => {
      logger.error({ err: error }, "could not stop in order");
      process.exit(1);
    },
  );
}

/** SIGHUP asks a service to read its files again, and tells a program that its terminal was closed. */
function isForsaken(): boolean {
  if (!process.stdout.isTTY) return false;
  try {
    closeSync(openSync("/dev/tty", "r"));
    return false;
  } catch {
    return true;
  }
}
