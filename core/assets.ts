/** The UI's built files, kept in memory and sent compressed. */
import { hash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { brotliCompressSync, brotliDecompressSync, gzipSync } from "node:zlib";
import { CLIENT_ASSETS } from "./plugins/compile/imports.ts";
import { MEDIA } from "./plugins/compile/media.ts";
import type { LoadedPlugins } from "./plugins/load.ts";

type Asset = { type: string; etag: string; plain: Buffer; br?: Buffer; gzip?: Buffer | (() => Buffer) };
export type Assets = ReadonlyMap<string, Asset>;

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ...MEDIA,
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".map": "application/json",
};

const POLICY = [
  "default-src 'self'",
  // A page goes on at another node when its own is away, and which there are changes while it is open.
  "connect-src 'self' ws: wss: http: https:",
  "img-src 'self' data: blob:",
  "media-src 'self' blob: http: https:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Reads a built UI, of whose files the executable has only the packed form; none where the directory does not exist. */
export function loadAssets(directory: string): Assets {
  const assets = new Map<string, Asset>();
  for (const path of new Set(files(directory).map(path => path.replace(/\.br$/, "")))) {
    const type = TYPES[extname(path)];
    if (!type) continue;
    const br = readOptional(`${path}.br`);
    const plain = readOptional(path) ?? brotliDecompressSync(br as Buffer);
    // Few browsers ask for it, and none that comes over TLS.
    const gzip = br && (readOptional(`${path}.gz`) ?? once(() => gzipSync(plain)));
    assets.set(`/${relative(directory, path).split(sep).join("/")}`, {
      ...makeAsset(type, plain),
      ...(br && { br }),
      ...(gzip && { gzip }),
    });
  }
  return assets;
}

function once<Result>(make: () => Result): () => Result {
  let made: { result: Result } | undefined;
  return () => {
    made ??= { result: make() };
    return made.result;
  };
}

/**
 * The page with what its plugins load, and a fingerprint of it, which is another where the page is; none where no UI is built.
 * `dev` is the version of the plugin that is being written.
 */
export function withPlugins(
  ui: Assets,
  { assets, clients }: Pick<LoadedPlugins, "assets" | "clients">,
  dev?: string,
): { assets: Assets; page: string | undefined } {
  const all = new Map(ui);
  for (const [name, bytes] of assets) {
    const type = TYPES[extname(name).toLowerCase()];
    if (type) all.set(`/${CLIENT_ASSETS}/${name}`, makeAsset(type, bytes));
  }
  const index = all.get("/index.html");
  if (!index) return { assets: all, page: undefined };
  const modules = clients.map(name => `${CLIENT_ASSETS}/${name}`).join(" ");
  const list = modules && `<meta name="plugins" content="${modules}">`;
  const template = index.plain.toString();
  const page = hash("sha256", template + list + (dev ?? "")).slice(0, 16);
  const own = [`<meta name="page" content="${page}">`, dev !== undefined && '<meta name="dev">', list]
    .filter(Boolean)
    .join("\n    ");
  const plain = Buffer.from(template.replace("<!-- plugins -->", own));
  all.set("/index.html", { ...makeAsset(index.type, plain), br: brotliCompressSync(plain), gzip: gzipSync(plain) });
  return { assets: all, page };
}

/** A file of that content type, uncompressed. */
export function makeAsset(type: string, plain: Buffer): Asset {
  return { type, etag: `"${hash("sha256", plain).slice(0, 24)}"`, plain };
}

function files(directory: string): string[] {
  try {
    // By name, folder by folder: inside the executable there is no other way.
    return readdirSync(directory).flatMap(name => {
      const path = join(directory, name);
      return statSync(path).isDirectory() ? files(path) : [path];
    });
  } catch {
    return [];
  }
}

function readOptional(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** Sends the file of that path; false where there is none. */
export function serveAsset(assets: Assets, path: string, request: IncomingMessage, response: ServerResponse): boolean {
  const asset = assets.get(path === "/" ? "/index.html" : path);
  if (!asset) return false;
  response.setHeader("Content-Security-Policy", POLICY);
  response.setHeader("Referrer-Policy", "no-referrer");
  response.setHeader("ETag", asset.etag);
  response.setHeader("Vary", "Accept-Encoding");
  // A file whose name carries its hash never changes.
  const immutable = path.startsWith("/assets/");
  response.setHeader("Cache-Control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (request.headers["if-none-match"] === asset.etag) {
    response.writeHead(304).end();
    return true;
  }
  const accepted = String(request.headers["accept-encoding"] ?? "");
  const encoding =
    asset.br && /\bbr\b/.test(accepted) ? "br" : asset.gzip && /\bgzip\b/.test(accepted) ? "gzip" : "plain";
  const packed = asset[encoding] ?? asset.plain;
  const body = typeof packed === "function" ? packed() : packed;
  if (encoding !== "plain") response.setHeader("Content-Encoding", encoding);
  response.writeHead(200, { "Content-Type": asset.type, "Content-Length": body.length });
  response.end(request.method === "HEAD" ? undefined : body);
  return true;
}
