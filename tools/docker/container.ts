/** An image run as a container: as Docker does with --read-only --tmpfs /tmp --cap-drop ALL, in a network of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Host } from "../network.ts";
import type { ImageConfig } from "./images.ts";

export type Run = {
  host: Host;
  /** Directory of the image's files. */
  root: string;
  image: ImageConfig;
  environment: Record<string, string>;
  /** Directory that stands for the volume of the image. */
  volume: string;
  resolvConf: string;
  /** Directory for what only this container needs. */
  folder: string;
};

/** Mounts, then becomes the image's user without any right, and its entrypoint. */
const START = `
set -e
root=$1 volume=$2 at=$3 etc=$4 user=$5 name=$6
shift 6
hostname "$name"
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o noexec,nosuid,nodev,size=64m tmpfs "$root/tmp"
mount --bind "$volume" "$root$at"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
for file in resolv.conf hosts; do mount --bind "$etc/$file" "$root/etc/$file"; done
exec chroot "$root" setpriv --reuid="\${user%:*}" --regid="\${user#*:}" --clear-groups --bounding-set=-all \\
  --inh-caps=-all --no-new-privs env -i "$@"
`;

export class Container {
  readonly host: Host;
  readonly #process: ChildProcess;
  readonly #run: Run;
  readonly lines: string[] = [];

  constructor(run: Run) {
    this.host = run.host;
    this.#run = run;
    mkdirSync(run.folder, { recursive: true });
    writeFileSync(join(run.folder, "resolv.conf"), run.resolvConf);
    writeFileSync(
      join(run.folder, "hosts"),
      `127.0.0.1 localhost\n::1 localhost\n${run.host.address} ${run.host.name}\n`,
    );
    const [at = ""] = Object.keys(run.image.Volumes);
    const words = [
      run.root,
      run.volume,
      at,
      run.folder,
      run.image.User,
      run.host.name,
      ...this.#command(run.image.Entrypoint),
    ];
    const inside = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "sh", "-c", START, "sh"];
    this.#process = spawn("ip", ["netns", "exec", run.host.namespace, ...inside, ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream?.on("data", (data: Buffer) => this.lines.push(...data.toString().trimEnd().split("\n")));
  }

  #command(words: readonly string[]): string[] {
    const { image, environment } = this.#run;
    // Docker sets HOME of a user without an entry in /etc/passwd.
    return [
      "HOME=/",
      ...image.Env,
      ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ...words,
    ];
  }

  /** The first process in it. */
  async #pid(): Promise<number> {
    let pid = this.#process.pid as number;
    // ip becomes unshare, which forks once.
    for (;;) {
      const { stdout } = await promisify(execFile)("pgrep", ["--parent", String(pid)]).catch(() => ({ stdout: "" }));
      const child = Number(stdout.trim().split("\n")[0]);
      if (child === 0) return pid;
      pid = child;
    }
  }

  /** Runs a command inside, as `docker exec` does; resolves with what it printed and how it ended. */
  async exec(...words: string[]): Promise<{ code: number; output: string }> {
    const [uid, gid] = this.#run.image.User.split(":");
    const enter = [
      "--target",
      String(await this.#pid()),
      "--mount",
      "--uts",
      "--ipc",
      "--net",
      "--pid",
      "--root",
      "--wd",
    ];
    const as = [
      "setpriv",
      `--reuid=${uid}`,
      `--regid=${gid}`,
      "--clear-groups",
      "--bounding-set=-all",
      "--no-new-privs",
    ];
    const child = spawn("nsenter", [...enter, ...as, "env", "-i", ...this.#command(words)]);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (output += data));
    const [code] = (await once(child, "close")) as [number];
    return { code, output: output.trim() };
  }

  /** Ends it as `docker stop` does; resolves with the exit code. */
  async stop(signal = "SIGTERM"): Promise<number> {
    const closed = once(this.#process, "close") as Promise<[number]>;
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    process.kill(await this.#pid(), signal);
    const [code] = await closed;
    return code;
  }
}
