/** A certificate that this node makes for itself, under an authority of its own that people install on their devices. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isIP } from "../addresses.ts";
import { Reject } from "../errors.ts";
import { asFileError } from "../files.ts";
import { Authority } from "./authority.ts";
import type { CertificateLogger, Certificates, PublicAuthority } from "./certificates.ts";
import type { OwnNames } from "./names.ts";
import type { Pair } from "./pair.ts";

const DAY_MS = 86_400_000;
const RENEW_BEFORE_MS = 30 * DAY_MS;
/** Addresses change, too, and a machine that slept has missed a date. */
const LOOK_EVERY_MS = 3_600_000;

type Files = Record<"ca.crt" | "ca.key" | "server.pem", string>;

export type SelfSignedParts = {
  /** Where authority and certificate are kept. */
  directory: string;
  names: () => OwnNames;
  logger: CertificateLogger;
  /** Milliseconds since 1970. */
  now?: () => number;
};

export class SelfSigned implements Certificates {
  renewed: (pair: Pair) => void = () => {};
  readonly authority: PublicAuthority;
  readonly #parts: Required<SelfSignedParts>;
  readonly #signer: Authority;
  readonly #timer: NodeJS.Timeout;
  #pair: Pair;
  #told = "";
  #looking: Promise<void> | undefined;

  /** Makes the authority where the directory is new. Throws `Reject` where it is damaged: it is never replaced silently. */
  static async open(given: SelfSignedParts): Promise<SelfSigned> {
    const parts = { now: Date.now, ...given };
    const found = list(parts.directory);
    if (found.length === 0) await make(parts);
    const { certificate, signer } = await readAuthority(parts);
    const authority = { certificate, fingerprint: new X509Certificate(certificate).fingerprint256 };
    const known = found.includes("server.pem") ? readKept(parts) : undefined;
    const opened = new SelfSigned(parts, authority, signer, known ?? { cert: "", key: "" });
    await opened.#look().catch(error => {
      throw asFileError(error, parts.directory);
    });
    return opened;
  }

  private constructor(parts: Required<SelfSignedParts>, authority: PublicAuthority, signer: Authority, pair: Pair) {
    this.#parts = parts;
    this.authority = authority;
    this.#signer = signer;
    this.#pair = pair;
    this.#timer = setInterval(() => this.reload(), LOOK_EVERY_MS).unref();
  }

  get pair(): Pair {
    return this.#pair;
  }

  /** Resolves when the certificate is one that is good for a while and has the names of now, as far as is permitted. */
  reload(): Promise<void> {
    this.#looking ??= this.#look()
      .catch((error: Error) => this.#parts.logger.warn({}, `the certificate could not be renewed: ${error.message}`))
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { directory, logger, now } = this.#parts;
    const { lasting, passing } = this.#parts.names();
    const names = [...lasting, ...passing].filter(name => this.#signer.permits(name));
    this.#warnOf(lasting.filter(name => !names.includes(name)));
    if (!this.#isDue(names)) return;
    const pair = await this.#signer.issue(names, now());
    write(directory, { "server.pem": `${pair.cert}${pair.key}` });
    const isFirst = this.#pair.cert === "";
    this.#pair = pair;
    this.renewed(pair);
    const { validTo } = new X509Certificate(pair.cert);
    logger.info({ names, validTo }, isFirst ? "a certificate was made" : "the certificate was renewed");
  }

  #isDue(names: readonly string[]): boolean {
    if (this.#pair.cert === "") return true;
    const certificate = new X509Certificate(this.#pair.cert);
    const endsAt = certificate.validToDate.getTime();
    const covers = (name: string) =>
      isIP(name) === 0
        ? certificate.checkHost(name, { wildcards: false, partialWildcards: false }) !== undefined
        : certificate.checkIP(name) !== undefined;
    const isOld = endsAt - this.#parts.now() < RENEW_BEFORE_MS && endsAt < this.#signer.notAfter.getTime();
    const isForeign = !certificate.verify(new X509Certificate(this.authority.certificate).publicKey);
    return isOld || isForeign || !names.every(covers);
  }

  /** Once for each set of names: this is looked at every hour. */
  #warnOf(uncovered: readonly string[]): void {
    const { directory, logger, now } = this.#parts;
    const remedy = `remove ${directory}, start again, and install the new authority on every device`;
    const endsAt = this.#signer.notAfter;
    const lines = [
      ...(uncovered.length > 0
        ? [
            `browsers will not trust this node as ${uncovered.join(", ")}: its certificate authority is older; ${remedy}`,
          ]
        : []),
      ...(endsAt.getTime() - now() < RENEW_BEFORE_MS
        ? [`the certificate authority expires on ${endsAt.toISOString().slice(0, 10)}: ${remedy}`]
        : []),
    ];
    if (this.#told === lines.join()) return;
    this.#told = lines.join();
    for (const line of lines) logger.warn({}, line);
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw new Reject("data-dir", `${directory} cannot be used: ${(error as Error).message}`);
  }
}

/** As a whole or not at all: half an authority would be a damaged one. */
async function make({ directory, names, now }: Required<SelfSignedParts>): Promise<void> {
  const { lasting, passing } = names();
  const { cert, key } = await Authority.make([...lasting, ...passing], now());
  const unfinished = `${directory}.new`;
  try {
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished, { mode: 0o700, recursive: true });
    write(unfinished, { "ca.crt": cert, "ca.key": key });
    rmSync(directory, { recursive: true, force: true });
    renameSync(unfinished, directory);
  } catch (error) {
    throw new Reject("data-dir", `${directory} cannot be used: ${(error as Error).message}`);
  }
}

function write(directory: string, files: Partial<Files>): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory, name);
    writeFileSync(`${path}.new`, content, { mode: name.endsWith(".crt") ? 0o644 : 0o600, flush: true });
    renameSync(`${path}.new`, path);
  }
}

async function readAuthority({ directory, now }: Required<SelfSignedParts>) {
  const remedy = `put its files back, or remove ${directory}, start again, and install the new authority on every device`;
  try {
    const certificate = readFileSync(join(directory, "ca.crt"), "utf8");
    const key = readFileSync(join(directory, "ca.key"), "utf8");
    const signer = await Authority.read({ cert: certificate, key });
    if (signer.notAfter.getTime() > now()) return { certificate, signer };
    throw new Error(`it expired on ${signer.notAfter.toISOString().slice(0, 10)}`);
  } catch (error) {
    throw new Reject("data-dir", `the certificate authority is damaged (${(error as Error).message}): ${remedy}`);
  }
}

/** The certificate of the last start; undefined where it cannot be used, since another one is easily made. */
function readKept({ directory, logger }: SelfSignedParts): Pair | undefined {
  try {
    const both = readFileSync(join(directory, "server.pem"), "utf8");
    const at = both.indexOf("-----BEGIN PRIVATE KEY-----");
    const pair = { cert: both.slice(0, at), key: both.slice(at) };
    if (new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key))) return pair;
    throw new Error("its key is another's");
  } catch (error) {
    logger.warn({}, `${directory}/server.pem is damaged, and is made anew: ${(error as Error).message}`);
    return undefined;
  }
}
