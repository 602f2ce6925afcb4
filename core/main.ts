/** The command line. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { type DestinationStream, type Logger, pino } from "pino";
import plugins from "../plugins/server.ts";
import { type Given, readConfig, SETTINGS, type SettingName } from "./config.ts";
import { Reject } from "./errors.ts";
import { type RunningNode, startNode } from "./node.ts";

const STOP_WITHIN_MS = 5_000;

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command("web-chat")
  .description("A chat that spans servers: start it, open the page, name one node to another, and they are one chat.")
  .version(version)
  .showSuggestionAfterError()
  .allowExcessArguments(false)
  .action(serve);
for (const { flag, env, value, help, fallback } of SETTINGS)
  program.addOption(new Option(`--${flag} <${value}>`, `${help} (${env}; default: ${fallback})`));

await program.parseAsync();

async function serve(flags: Record<string, string>): Promise<void> {
  const given: Given = {};
  for (const { flag, env } of SETTINGS) {
    const camel = flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    given[env as SettingName] = flags[camel] ?? process.env[env];
  }
  try {
    const config = readConfig(given);
    const logger = await makeLogger(config.logLevel);
    const ui = join(import.meta.dirname, "../dist/ui");
    const node = await startNode({ config, plugins, version, ui, logger });
    stopOnSignals(node, logger);
    logger.info(
      { url: node.url, zmqPort: node.zmqPort, dataDir: config.dataDir, version },
      `web-chat is at ${node.url}`,
    );
    logger.warn({ zmqPort: node.zmqPort }, "the bus is open to every host with a private address");
    await node.ready;
    logger.info({}, "ready");
  } catch (error) {
    if (!(error instanceof Reject)) throw error;
    process.stderr.write(`web-chat: ${error.message} [${error.code}]\n`);
    process.exitCode = 1;
  }
}

/** JSON lines, or lines for people where a terminal shows them. */
async function makeLogger(level: string): Promise<Logger> {
  if (!process.stdout.isTTY) return pino({ level });
  const { default: pretty } = await import("pino-pretty");
  return pino(
    { level },
    pretty({ ignore: "pid,hostname", singleLine: true, sync: true }) as unknown as DestinationStream,
  );
}

function stopOnSignals(node: RunningNode, logger: Logger): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, "stopping");
    setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
    node.stop().then(
      () => {
        logger.info({}, "stopped");
        process.exit(0);
      },
      error => {
        logger.error({ err: error }, "could not stop in order");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}
