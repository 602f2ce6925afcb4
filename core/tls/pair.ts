/** A certificate and its private key, as PEM. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { Reject } from "../errors.ts";

export type Pair = { cert: string; key: string };
/** Paths of the files that hold one. */
export type PairFiles = Pair;

/** Reads a pair that a server can use; throws `Reject` with what is wrong with which file. */
export function readPair(files: PairFiles): Pair {
  const pair = { cert: read("TLS_CERT", files.cert), key: read("TLS_KEY", files.key) };
  const unusable = (name: "TLS_CERT" | "TLS_KEY", why: string) =>
    new Reject("config-invalid", `${name} names “${name === "TLS_CERT" ? files.cert : files.key}”, which ${why}`);
  if (!/-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----/.test(pair.cert))
    throw unusable("TLS_CERT", "holds no certificate in PEM form");
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pair.key))
    throw unusable("TLS_KEY", "holds no private key in PEM form");
  if (/ENCRYPTED/.test(pair.key))
    throw unusable("TLS_KEY", "is protected by a passphrase: `openssl pkey` writes one without");
  const certificate = attempt(
    () => new X509Certificate(pair.cert),
    why => unusable("TLS_CERT", `is damaged: ${why}`),
  );
  const key = attempt(
    () => createPrivateKey(pair.key),
    why => unusable("TLS_KEY", `is damaged: ${why}`),
  );
  if (!certificate.checkPrivateKey(key)) throw unusable("TLS_KEY", `is not the key of “${files.cert}”`);
  attempt(
    () => createSecureContext(pair),
    why => unusable("TLS_CERT", `cannot be used: ${why}`),
  );
  return pair;
}

function read(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "which does not exist" : `which cannot be read: ${message}`;
    throw new Reject("config-invalid", `${name} names “${path}”, ${why}`);
  }
}

function attempt<Result>(action: () => Result, refuse: (why: string) => Reject): Result {
  try {
    return action();
  } catch (error) {
    throw refuse((error as Error).message);
  }
}
