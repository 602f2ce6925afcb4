/** A real nginx in front of a node, with the configuration that is recommended for it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";
import { cleanUp } from "./cleanup.ts";
import { temporaryDirectory } from "./node.ts";
import { freePort } from "./port.ts";

const RECOMMENDED = join(import.meta.dirname, "../../tools/deploy/nginx.conf");
const FOLDERS = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
const program = FOLDERS.map(folder => join(folder, "nginx")).find(path => existsSync(path));

/** Why a test has to be skipped; false where nginx is there. */
export const noNginx = program === undefined ? "there is no nginx on this machine" : false;

export type Nginx = {
  port: number;
  stop(): Promise<void>;
  /** Again on the same port. */
  start(): Promise<void>;
};

/** In front of the node on `upstream`, with its configuration edited by `edit`. */
export async function newNginx(t: TestContext, upstream: number, edit = (text: string) => text): Promise<Nginx> {
  const directory = temporaryDirectory(t);
  const port = await freePort();
  const site = edit(readFileSync(RECOMMENDED, "utf8"))
    .replaceAll("127.0.0.1:5002", `127.0.0.1:${upstream}`)
    .replace(/listen \d+/, `listen 127.0.0.1:${port}`);
  writeFileSync(join(directory, "site.conf"), site);
  writeFileSync(join(directory, "nginx.conf"), MAIN);
  let child: ChildProcess;
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  const start = async () => {
    child = spawn(program as string, ["-p", directory, "-c", "nginx.conf", "-e", "stderr"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const said: string[] = [];
    child.stderr?.on("data", chunk => said.push(String(chunk)));
    while (!(await answers(port))) if (child.exitCode !== null) throw new Error(`nginx ended: ${said.join("")}`);
  };
  await start();
  cleanUp(t, stop);
  return { port, stop, start };
}

/** Everything that nginx writes goes into the folder that it runs in. */
const MAIN = `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events {}
http {
  access_log off;
  client_body_temp_path tmp;
  proxy_temp_path tmp;
  fastcgi_temp_path tmp;
  uwsgi_temp_path tmp;
  scgi_temp_path tmp;
  include site.conf;
}
`;

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const isOpen = await once(socket, "connect").then(
    () => true,
    () => new Promise<boolean>(resolve => setTimeout(resolve, 20, false)),
  );
  socket.destroy();
  return isOpen;
}
