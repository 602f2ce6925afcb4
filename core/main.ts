/** The command line: the commands, and what they take. What only one of them needs is loaded when it runs. */
import { join } from "node:path";
import { Command, Option } from "commander";
import { closest } from "fastest-levenshtein";
import about from "../package.json" with { type: "json" };
import { type Config, readConfig } from "./config.ts";
import { Reject } from "./errors.ts";
import { asFileError } from "./files.ts";
import type { PluginFolder } from "./plugins/folders.ts";
import { type Flags, gather, nearMisses, SETTINGS } from "./settings.ts";

const { version } = about;
const AFTER_HELP = `
Each setting is also an environment variable: --zmq-host is ZMQ_HOST. --config
names a JSON file with the flags' names as keys. A flag wins over the
environment, and that over the file. Settings go with every command: --port or
--data-dir say which node of this machine is meant.`;

/** The built page. */
const UI = join(import.meta.dirname, "../dist/ui");

const program = new Command("web-chat")
  .description("A chat that spans servers: start it, open the page, name one node to another, and they are one chat.")
  .configureHelp({ helpWidth: 80, optionDescription: ({ description }) => description })
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "web-chat: ")) })
  .showSuggestionAfterError()
  .version(`web-chat ${version}`, "-V, --version", "the version")
  .helpOption("-h, --help", "this text")
  .helpCommand("help [command]", "this text, or that of a command")
  .allowExcessArguments()
  .option("--open", "open the page in the browser")
  .action(serve)
  .addHelpText("after", AFTER_HELP);

program.command("serve").description("start a node; the same without a command").action(serve);
program
  .command("health")
  .argument("[url]", "address of a node; without it the one on this machine")
  .description("exit code 0 if a node is up and has caught up with its cluster")
  .action(async (url: string | undefined) => {
    const { checkHealth } = await import("./health.ts");
    console.log(await checkHealth(url ?? configured()));
  });
program
  .command("version")
  .description("the version; with --json also of what it is made of")
  .option("--json", "as JSON")
  .action(async ({ json }: { json?: true }) => {
    if (!json) return console.log(`web-chat ${version}`);
    const [{ default: plugins }, { Registry }] = await Promise.all([
      import("../plugins/server.ts"),
      import("./registry.ts"),
    ]);
    const { platform, arch, version: node } = process;
    console.log(JSON.stringify({ version, platform, arch, node, types: new Registry(plugins).versions() }));
  });
program
  .command("licenses")
  .description("the licence, and those of all that is inside")
  .action(async () => {
    const { licenses } = await import("./commands/licenses.ts");
    process.stdout.write(await licenses(join(import.meta.dirname, "..")));
  });
program
  .command("export")
  .argument("<file>", "where to; - is the standard output")
  .description("everything the node holds as JSON lines, while it runs or not")
  .option("--force", "replace a file of that name")
  .action(async (file: string, { force = false }: { force?: boolean }) => {
    const { exportTo } = await import("./commands/export.ts");
    const { envelopes, blobs, missing } = await exportTo(file, configured(), { program: version, force });
    const kept = blobs > 0 ? `, ${blobs} blobs` : "";
    const lacking = missing > 0 ? `; not on this node: ${missing}` : "";
    console.error(`${envelopes} envelopes${kept} exported${lacking}`);
  });
program
  .command("import")
  .argument("<file>", "what export wrote; - is the standard input")
  .description("add an export to what the node holds; import again what was interrupted")
  .action(async (file: string) => {
    const { importFrom } = await import("./commands/import.ts");
    const config = configured();
    const { stored, known } = await importFrom(file, config);
    console.log(`${stored} envelopes were new in ${config.dataDir}, ${known} were there`);
  });
program
  .command("backup")
  .argument("<folder>", "where to; it may be a DATA_DIR then")
  .description("a copy of the database and its blobs, while the node runs or not; keys and certificates stay out")
  .action(async (folder: string) => {
    const { backUpTo } = await import("./commands/backup.ts");
    const { log, blobs } = await backUpTo(folder, configured());
    console.log(`${join(folder, "log.db")}: ${log} bytes`);
    if (blobs > 0) console.log(`${join(folder, "blobs")}: ${blobs} bytes`);
  });
program
  .command("erase")
  .argument("<id>", "id of the message")
  .description("empty a message on every node, whoever wrote it")
  .action(async (id: string) => {
    const { erase } = await import("./commands/erase.ts");
    console.log(await erase(id, configured()));
  });
program
  .command("forget")
  .argument("<node>", "its name, its id, or how its id begins")
  .description("remove a node that is gone for good from the cluster")
  .action(async (node: string) => {
    const { forget } = await import("./commands/forget.ts");
    console.log(await forget(node, configured()));
  });
program
  .command("digest")
  .description("one hash of everything the node holds: equal on two nodes that hold the same")
  .option("--json", "as JSON, with the end of each stream")
  .action(async ({ json }: { json?: true }) => {
    const { digest } = await import("./commands/digest.ts");
    const held = await digest(configured());
    console.log(json ? JSON.stringify(held) : held.digest);
  });
program
  .command("new")
  .argument("<type>", "name of the message type, and of its folder")
  .description("write a plugin to begin with, that works at once, into ./<type>")
  .action(async (type: string) => {
    const [{ default: plugins }, { writePlugin }] = await Promise.all([
      import("../plugins/server.ts"),
      import("./commands/new.ts"),
    ]);
    console.log(await writePlugin(type, join(import.meta.dirname, "../dist/kit"), plugins));
  });
program
  .command("check")
  .argument("<folder>", "folder of a plugin")
  .description("whether a plugin keeps the contract: where not, and how to mend it")
  .action(async (folder: string) => {
    const [{ default: plugins }, { check }] = await Promise.all([
      import("../plugins/server.ts"),
      import("./commands/check.ts"),
    ]);
    const { text, sound } = await check(folder, plugins, UI);
    console.log(text);
    if (!sound) process.exitCode = 1;
  });
program
  .command("dev")
  .argument("<folder>", "folder of a plugin")
  .description("start a node with a plugin that is being written: what is saved is loaded at once, open pages follow")
  .action(async (folder: string) => {
    const [{ default: plugins }, { devFolder }] = await Promise.all([
      import("../plugins/server.ts"),
      import("./commands/dev.ts"),
    ]);
    await start(devFolder(folder, plugins));
  });
// What serve is given beyond its options is taken for a command that is misspelt.
for (const command of program.commands) command.allowExcessArguments(command.name() === "serve");
program.addOption(new Option("--config <file>", "JSON file with settings").helpGroup("Settings:"));
for (const setting of SETTINGS) program.addOption(optionOf(setting));

// An answer that was not written is none, and a script has to hear of it. Who stops reading has read enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") refuse(asFileError(error, "the standard output"));
});
program.parseAsync().catch(refuse);

/** Ends with 1, and says why; once, however many ways the reason comes. */
function refuse(error: unknown): void {
  if (!(error instanceof Reject)) throw error;
  if (process.exitCode !== 1) process.stderr.write(`web-chat: ${error.message} [${error.code}]\n`);
  process.exitCode = 1;
}

function optionOf({ flag, value, help, fallback, group, ...setting }: (typeof SETTINGS)[number]): Option {
  const takes = "bare" in setting ? `[${value}]` : `<${value}>`;
  const option = new Option(`--${flag} ${takes}`, `${help} (${fallback})`).helpGroup(`${group}:`);
  return "bare" in setting ? option.preset(setting.bare) : option;
}

/** The configuration that flags, environment and config file make. */
function configured(): Config {
  const { config, ...options } = program.opts<Record<string, string | undefined>>();
  return readConfig(gather(byFlag(options), process.env, config));
}

function byFlag(options: Flags): Flags {
  const camelCase = (flag: string) => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(SETTINGS.map(({ flag }) => [flag, options[camelCase(flag)]]));
}

async function serve(_options: object, command: Command): Promise<void> {
  const [unknown] = command.args;
  if (unknown !== undefined) {
    const nearest = closest(
      unknown,
      program.commands.map(command => command.name()),
    );
    throw new Reject("config-invalid", `there is no command “${unknown}”; the nearest is “${nearest}”`);
  }
  await start();
}

/** Serves, with a plugin that is being written where one is given. */
async function start(dev?: PluginFolder): Promise<void> {
  const config = configured();
  const { predecessorGone } = await import("./plugins/watchdog/restart.ts");
  await predecessorGone();
  const { loadNative, removeLeftovers } = await import("./native.ts");
  loadNative(config);
  const [{ default: plugins }, { serve }] = await Promise.all([import("../plugins/server.ts"), import("./serve.ts")]);
  await serve({
    config,
    plugins,
    version,
    ui: UI,
    dev,
    misspelt: nearMisses(process.env),
    open: program.opts<{ open?: true }>().open ?? false,
  });
  removeLeftovers(config);
}
