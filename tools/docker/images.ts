/** Images without a Docker engine: buildah, and stand-ins for the base images where no registry can be reached. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");
const CACHE = join(ROOT, "node_modules/.cache/web-chat/docker");
const STORAGE = ["--root", join(CACHE, "storage"), "--runroot", join(CACHE, "run"), "--storage-driver", "vfs"];
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
/** What the official slim image leaves out of a minimal Debian, too. */
const SLIMMED = ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale", "var/log"];

/** What the image says about how it is to be run. */
export type ImageConfig = {
  User: string;
  Env: string[];
  Entrypoint: string[];
  Volumes: Record<string, object>;
  StopSignal: string;
  Healthcheck: { Test: string[] };
};

/** Runs buildah; returns what it printed. Throws with its last lines where it fails. */
export function buildah(...words: string[]): string {
  const [verb = "", ...rest] = words;
  const { status, stdout, stderr } = spawnSync("buildah", [...STORAGE, verb, ...rest], {
    cwd: ROOT,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0)
    throw new Error(`buildah ${words.join(" ")}\n${`${stdout}\n${stderr}`.split("\n").slice(-40).join("\n")}`);
  return stdout.trim();
}

/** What is missing on this machine to build and run images; undefined where nothing is. */
export function missing(): string | undefined {
  if (process.getuid?.() !== 0) return "root";
  return ["buildah", "debootstrap", "ip", "dnsmasq", "unshare", "nsenter"].find(
    program => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0,
  );
}

/** Makes the base images of the Dockerfile under their own names, unless they are here already. */
export function makeStandIns(): void {
  const known = buildah("images", "--format", "{{.Name}}:{{.Tag}}").split("\n");
  const debian = "docker.io/library/debian:bookworm-slim";
  if (!known.includes(debian)) importRoot(debian, minimalDebian(), []);
  const node = "docker.io/library/node:24-bookworm-slim";
  if (known.includes(node)) return;
  const root = join(CACHE, "node-root");
  rmSync(root, { recursive: true, force: true });
  execFileSync("cp", ["-a", minimalDebian(), root]);
  cpSync(process.execPath, join(root, "usr/local/bin/node"));
  // Set by npm, which runs this.
  const npm = realpathSync(process.env.npm_execpath ?? "/usr/lib/node_modules/npm/bin/npm-cli.js");
  cpSync(join(npm, "../.."), join(root, "usr/local/lib/npm"), { recursive: true });
  for (const name of ["npm", "npx"])
    execFileSync("ln", ["-s", `../lib/npm/bin/${name}-cli.js`, join(root, "usr/local/bin", name)]);
  importRoot(node, root, trust(root));
  rmSync(root, { recursive: true, force: true });
}

/** A machine behind a proxy with a certificate of its own needs that inside, too. */
function trust(root: string): string[] {
  if (!existsSync(CERTIFICATES)) return [];
  mkdirSync(join(root, "etc/ssl/certs"), { recursive: true });
  cpSync(CERTIFICATES, join(root, CERTIFICATES), { dereference: true });
  return [`NODE_EXTRA_CA_CERTS=${CERTIFICATES}`];
}

function minimalDebian(): string {
  const root = join(CACHE, "debian-root");
  if (existsSync(join(root, "etc/debian_version"))) return root;
  rmSync(root, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  execFileSync("debootstrap", ["--variant=minbase", "bookworm", root], { stdio: ["ignore", "ignore", "inherit"] });
  for (const path of SLIMMED) {
    rmSync(join(root, path), { recursive: true, force: true });
    mkdirSync(join(root, path), { recursive: true });
  }
  return root;
}

function importRoot(name: string, root: string, environment: string[]): void {
  const container = buildah("from", "scratch");
  buildah("add", "--quiet", container, root, "/");
  for (const variable of environment) buildah("config", "--env", variable, container);
  buildah("commit", "--quiet", "--format", "docker", container, name);
  buildah("rm", container);
}

/** Builds the Dockerfile; the name is the image's. */
export function buildImage(name: string): void {
  buildah("bud", "--isolation", "chroot", "--format", "docker", "--pull=never", "--tag", name, ".");
}

export function configOf(image: string): ImageConfig {
  const { Docker } = JSON.parse(buildah("inspect", "--type", "image", image)) as { Docker: { config: ImageConfig } };
  return Docker.config;
}

/** A directory with the image's files, and what removes it. */
export function mountImage(image: string): { root: string; unmount(): void } {
  const container = buildah("from", "--pull=never", image);
  return { root: buildah("mount", container), unmount: () => buildah("rm", container) };
}
