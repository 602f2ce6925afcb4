/** What is done with a plugin's code to find out whether it keeps the contract; in a process of its own: see examiner.ts. */
import { join } from "node:path";
import type { AnyClientPlugin } from "../plugin.ts";
import * as contract from "../plugin.ts";
import { Calls } from "../plugins/calls/calls.ts";
import { whyOf } from "../plugins/calls/thrown.ts";
import { CONTRACT_KEY } from "../plugins/compile/imports.ts";
import { clientsIn, exportOf, serversIn } from "../plugins/exports.ts";
import { fileOf, type PluginFolder } from "../plugins/folders.ts";
import { settingsOf } from "../plugins/settings.ts";
import { placeAs, placeOf } from "../plugins/sources.ts";
import { noteOfBrowser } from "./browser.ts";
import { type Report, writeReport } from "./examiner.ts";
import type { Finding } from "./findings.ts";
import { Overseer } from "./overseer.ts";
import { faultsOfPromises, SAMPLES } from "./samples.ts";
import { faultsOfClient, faultsOfServer, findingBy } from "./shape.ts";
import { faultsOfTests, TEST } from "./tests.ts";

export class Examination {
  readonly #folder: PluginFolder;
  readonly #place: string;
  readonly #stuckMs: number;
  readonly #calls = new Calls({ placeOf: (_, error) => placeOf(error) });
  readonly #findings: Finding[] = [];
  readonly #notes: Finding[] = [];
  readonly #did: string[] = [];
  #step: Pick<Report, "step" | "file"> = { step: "starting", file: "" };
  #ended = false;
  #overseer: Overseer | undefined;

  /** `place` has the folder's compiled modules, and takes the report; no call may keep the thread for longer than `stuckMs`. */
  constructor(folder: PluginFolder, place: string, stuckMs: number) {
    this.#folder = folder;
    this.#place = place;
    this.#stuckMs = stuckMs;
  }

  /** Ends the process when all is reported: what a plugin leaves open would keep it. */
  async run(names: readonly string[]): Promise<never> {
    Object.assign(globalThis, { [Symbol.for(CONTRACT_KEY)]: contract });
    // What plugins fail in is a finding, and told as such.
    process.on("exit", code => this.#ended || this.#exited(code));
    process.on("uncaughtException", error => this.#uncaught(error));
    this.#overseer = Overseer.start(this.#place, this.#stuckMs);
    this.#calls.seenBy(this.#overseer);
    await this.#examine(names);
    this.#report(true);
    process.exit();
  }

  async #examine(names: readonly string[]): Promise<void> {
    const server = fileOf(this.#folder.path, "server") ?? "server.ts";
    const client = fileOf(this.#folder.path, "client");
    const found = this.#findings;
    const settings = await this.#attempt(() => settingsOf(this.#folder.path), "");
    const servers = await this.#attempt(async () => serversIn(this.#folder, await this.#load(server)), server);
    if (found.length > 0) return;
    const clients = client ? await this.#attempt(() => this.#clients(client), client) : [];
    if (!servers || !clients) return;
    this.#at("the making of its hooks", server);
    found.push(...faultsOfServer(this.#folder, servers, settings, this.#calls));
    found.push(...faultsOfClient(this.#folder, clients, new Set(servers.map(({ message }) => message.type))));
    if (found.length > 0) return;
    const samples = names.find(name => SAMPLES.test(name));
    const given = samples && (await this.#attempt(() => this.#load(samples), samples));
    this.#at("a promise of the contract", fileOf(this.#folder.path, "message") ?? "");
    found.push(...faultsOfPromises(this.#folder, servers, { file: samples, given, settings, calls: this.#calls }));
    this.#did.push("contract");
    const tests = names.filter(name => TEST.test(name));
    this.#at("a test", tests[0] ?? "");
    found.push(...(await faultsOfTests(tests, file => this.#moduleOf(file))));
    this.#did.push(tests.length > 0 ? "tests" : "no tests");
  }

  /** None where it is a browser that it takes to load them. */
  async #clients(file: string): Promise<AnyClientPlugin[]> {
    try {
      return clientsIn(this.#folder, await this.#load(file));
    } catch (error) {
      const note = noteOfBrowser(error, file);
      if (!note) throw error;
      this.#notes.push(note);
      return [];
    }
  }

  #load(file: string): Promise<unknown> {
    this.#at(`loading ${file}`, file);
    return exportOf(this.#moduleOf(file), file);
  }

  #moduleOf(file: string): string {
    return join(compiledIn(this.#place), file.replace(/\.[jt]sx?$/, ".mjs"));
  }

  /** Undefined where it failed, which is noted. */
  async #attempt<Value>(call: () => Promise<Value>, file: string): Promise<Value | undefined> {
    try {
      return await call();
    } catch (error) {
      this.#findings.push(findingBy(error, { file }));
      return undefined;
    }
  }

  #at(step: string, file: string): void {
    this.#step = { step, file };
    this.#report(false);
  }

  #report(ended: boolean): void {
    this.#ended = ended;
    writeReport(this.#place, { ...this.#step, findings: this.#findings, notes: this.#notes, did: this.#did, ended });
  }

  #exited(code: number): void {
    const { step, file } = this.#step;
    const call = this.#overseer?.call();
    this.#findings.push({
      ...placeAs(placeOf(new Error("ended")), { file }),
      what: `${call ? `${call.hook} of “${call.type}”` : step} ended the whole process (exit code ${code})`,
      mend: "throw a Reject, or return: process.exit() ends the node with all that it serves",
    });
    this.#report(true);
  }

  #uncaught(error: unknown): void {
    this.#findings.push({
      ...placeAs(placeOf(error), { file: this.#step.file }),
      what: `threw where nobody catches it: ${whyOf(error)}`,
      mend: "catch it there, or await the promise that rejects",
    });
    this.#report(true);
    process.exit(1);
  }
}

/** Where the compiled modules lie. The name is the one by which their places in the sources are found. */
export function compiledIn(place: string): string {
  return join(place, "cache/plugins");
}
