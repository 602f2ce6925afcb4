/** Where the certificate of the page's port comes from. */
import { join } from "node:path";
import type { Config } from "../config.ts";
import type { Pair } from "./pair.ts";

export type CertificateLogger = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

export type Certificates = {
  readonly pair: Pair;
  /** The authority that people install on their devices, where this node has one. */
  readonly authority?: PublicAuthority;
  /** Is called with each pair that replaces the one before. */
  renewed: (pair: Pair) => void;
  /** Looks at once whether there is a new pair. */
  reload(): void;
  close(): void;
};

export type PublicAuthority = {
  /** PEM. */
  certificate: string;
  /** SHA-256, as devices show it. */
  fingerprint: string;
};

/** What the settings ask for; undefined for plain HTTP. Throws `Reject` where it cannot be used. */
export async function openCertificates(
  config: Config,
  dataDir: string,
  logger: CertificateLogger,
): Promise<Certificates | undefined> {
  const { tls } = config;
  if (tls === undefined) return undefined;
  if (tls !== "self-signed") {
    const { CertificateFiles } = await import("./files.ts");
    return new CertificateFiles(tls, logger);
  }
  const [{ SelfSigned }, { ownNames }] = await Promise.all([import("./selfsigned.ts"), import("./names.ts")]);
  return SelfSigned.open({ directory: join(dataDir, "tls"), names: () => ownNames(config), logger });
}
