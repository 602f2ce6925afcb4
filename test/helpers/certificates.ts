/** Certificates for tests, each of an authority of its own, as the files that a node is given. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Authority } from "../../core/tls/authority.ts";
import type { Pair } from "../../core/tls/pair.ts";
import { temporaryDirectory } from "./node.ts";

export type Issued = Pair & { ca: string };

/** A certificate for this machine, and the authority to trust. */
export async function issue(names = ["localhost", "127.0.0.1"]): Promise<Issued> {
  const authority = await Authority.make(names);
  return { ...(await (await Authority.read(authority)).issue(names)), ca: authority.cert };
}

/** Two files below a symbolic link that is swapped, as Kubernetes renews what it mounts. */
export function mounted(t: TestContext, pair: Pair) {
  const directory = temporaryDirectory(t);
  let versions = 0;
  const put = (files: Partial<Pair>) => {
    const version = `..${++versions}`;
    mkdirSync(join(directory, version));
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(directory, version, `${name}.pem`), content);
    symlinkSync(version, join(directory, "..data.new"));
    renameSync(join(directory, "..data.new"), join(directory, "..data"));
  };
  put(pair);
  for (const name of ["cert.pem", "key.pem"]) symlinkSync(join("..data", name), join(directory, name));
  return { put, settings: { TLS_CERT: join(directory, "cert.pem"), TLS_KEY: join(directory, "key.pem") } };
}
