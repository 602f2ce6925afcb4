/** A certificate that somebody else keeps up to date, in two files. */
import { X509Certificate } from "node:crypto";
import { type Stats, unwatchFile, watchFile } from "node:fs";
import { Reject } from "../errors.ts";
import type { CertificateLogger, Certificates } from "./certificates.ts";
import { type Pair, type PairFiles, readPair } from "./pair.ts";

/** Whoever renews them swaps symbolic links: that is only seen by looking. */
const LOOK_EVERY_MS = 1_000;
/** The two are not written at the same moment. */
const SETTLE_MS = 300;

export class CertificateFiles implements Certificates {
  renewed: (pair: Pair) => void = () => {};
  readonly #files: PairFiles;
  readonly #logger: CertificateLogger;
  #pair: Pair;
  #settling: NodeJS.Timeout | undefined;

  /** Throws `Reject` where the files cannot be used. */
  constructor(files: PairFiles, logger: CertificateLogger) {
    this.#files = files;
    this.#logger = logger;
    this.#pair = readPair(files);
    this.#warnOfDates();
    for (const file of new Set([files.cert, files.key]))
      watchFile(file, { interval: LOOK_EVERY_MS, persistent: false }, this.#touched);
  }

  get pair(): Pair {
    return this.#pair;
  }

  /** Reads the files again; what cannot be used is told, and changes nothing. */
  reload(): void {
    clearTimeout(this.#settling);
    try {
      const pair = readPair(this.#files);
      if (pair.cert === this.#pair.cert && pair.key === this.#pair.key) {
        this.#logger.info({}, "the certificate was read again, and is the same");
        return;
      }
      this.#pair = pair;
      this.renewed(pair);
      this.#logger.info({ validTo: new X509Certificate(pair.cert).validTo }, "a new certificate is in force");
      this.#warnOfDates();
    } catch (error) {
      if (!(error instanceof Reject)) throw error;
      this.#logger.warn({}, `the old certificate stays in force: ${error.message}`);
    }
  }

  close(): void {
    clearTimeout(this.#settling);
    for (const file of new Set([this.#files.cert, this.#files.key])) unwatchFile(file, this.#touched);
  }

  #touched = (now: Stats, before: Stats): void => {
    if (now.mtimeMs === before.mtimeMs && now.ino === before.ino && now.size === before.size) return;
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => this.reload(), SETTLE_MS).unref();
  };

  #warnOfDates(): void {
    const { validFromDate, validToDate } = new X509Certificate(this.#pair.cert);
    const named = `the certificate in ${this.#files.cert}`;
    if (validToDate.getTime() < Date.now()) this.#logger.warn({}, `${named} expired on ${day(validToDate)}`);
    else if (validFromDate.getTime() > Date.now())
      this.#logger.warn({}, `${named} is valid only from ${day(validFromDate)} on`);
  }
}

const day = (date: Date) => date.toISOString().slice(0, 10);
