/** The name server of a network, as Docker has one. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host, Network } from "../network.ts";

export class Names {
  readonly #network: Network;
  readonly #folder: string;
  #server: ChildProcess | undefined;

  /** `folder` is for the name server's files. */
  constructor(network: Network, folder: string) {
    this.#network = network;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** Answers for every host's name, and for a service's name with the addresses of all its replicas. */
  async serve(services: Record<string, readonly Host[]> = {}): Promise<void> {
    await this.close();
    const { hosts, gateway } = this.#network;
    const records = [
      ...hosts.map(({ name, address }) => `${address} ${name}`),
      ...Object.entries(services).flatMap(([name, hosts]) => hosts.map(({ address }) => `${address} ${name}`)),
    ];
    const file = join(this.#folder, "hosts");
    writeFileSync(file, `${records.join("\n")}\n`);
    const options = ["--keep-in-foreground", "--no-hosts", "--no-resolv", `--addn-hosts=${file}`, "--pid-file="];
    const where = [`--listen-address=${gateway}`, "--bind-interfaces", "--log-facility=-", "--user=root"];
    this.#server = spawn("dnsmasq", ["--conf-file=/dev/null", ...options, ...where], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    await once(this.#server.stderr as NodeJS.ReadableStream, "data");
  }

  /** The text of a resolv.conf that asks this server. */
  get resolvConf(): string {
    return `nameserver ${this.#network.gateway}\n`;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    server.kill();
    await once(server, "exit");
  }
}
