/** A certificate authority for one machine. The only file that knows ASN.1. */
import "reflect-metadata";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { BlockList } from "node:net";
import { AsnConvert } from "@peculiar/asn1-schema";
import {
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_nameConstraints,
  NameConstraints,
} from "@peculiar/asn1-x509";
import * as x509 from "@peculiar/x509";
import { isIP } from "../addresses.ts";
import type { Pair } from "./pair.ts";

const DAY_MS = 86_400_000;
/** Devices whose clock is behind must not find the certificate too young. */
const BACKDATED_MS = DAY_MS;
const AUTHORITY_DAYS = 3_650;
/** Apple's devices refuse a longer life. */
const CERTIFICATE_DAYS = 397;
const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };

export class Authority {
  readonly #certificate: x509.X509Certificate;
  readonly #key: CryptoKey;
  readonly #permitted: NameConstraints;

  private constructor(certificate: x509.X509Certificate, key: CryptoKey, permitted: NameConstraints) {
    this.#certificate = certificate;
    this.#key = key;
    this.#permitted = permitted;
  }

  /**
   * A new authority that can vouch for these names and addresses, and for nothing else: whoever steals its key cannot
   * speak for other sites towards the devices that trust it.
   */
  static async make(names: readonly string[], now = Date.now()): Promise<Pair> {
    const keys = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
    const id = await x509.SubjectKeyIdentifierExtension.create(keys.publicKey);
    const machine = names.find(name => isIP(name) === 0 && name !== "localhost") ?? "localhost";
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      // With a part of its own, so that an old one and a new one can be told apart on a device.
      name: [{ CN: [`web-chat ${machine.slice(0, 40)} ${id.keyId.slice(0, 6)}`] }],
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(now - BACKDATED_MS + AUTHORITY_DAYS * DAY_MS),
      signingAlgorithm: SIGNING,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        new x509.Extension(id_ce_nameConstraints, true, AsnConvert.serialize(constraints(names))),
        id,
      ],
    });
    return { cert: `${certificate.toString("pem")}\n`, key: await pem(keys.privateKey) };
  }

  /** An authority as `make` wrote it; throws an `Error` that says what is wrong with it. */
  static async read({ cert, key }: Pair): Promise<Authority> {
    const known = new X509Certificate(cert);
    const privateKey = createPrivateKey(key);
    if (!known.ca || !known.verify(known.publicKey)) throw new Error("the certificate is no authority's");
    if (!known.checkPrivateKey(privateKey)) throw new Error("the key belongs to another certificate");
    const certificate = new x509.X509Certificate(cert);
    const extension = certificate.getExtension(id_ce_nameConstraints);
    if (!extension) throw new Error("the authority is limited to no names");
    return new Authority(
      certificate,
      await crypto.subtle.importKey("pkcs8", privateKey.export({ type: "pkcs8", format: "der" }), CURVE, false, [
        "sign",
      ]),
      AsnConvert.parse(extension.value, NameConstraints),
    );
  }

  get notAfter(): Date {
    return this.#certificate.notAfter;
  }

  /** Whether it may vouch for a name or an address (RFC 5280, 4.2.1.10). */
  permits(name: string): boolean {
    const covers = ({ base }: GeneralSubtree) =>
      isIP(name) === 0 ? isBelow(name, base.dNSName) : isWithin(name, base.iPAddress);
    const { permittedSubtrees, excludedSubtrees } = this.#permitted;
    return (permittedSubtrees?.some(covers) ?? false) && !excludedSubtrees?.some(covers);
  }

  /** A server's certificate, with a key of its own, that does not outlive the authority. Every name has to be permitted. */
  async issue(names: readonly string[], now = Date.now()): Promise<Pair> {
    const keys = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
    const notAfter = Math.min(now - BACKDATED_MS + CERTIFICATE_DAYS * DAY_MS, this.notAfter.getTime());
    const certificate = await x509.X509CertificateGenerator.create({
      subject: [{ CN: ["web-chat"] }],
      issuer: this.#certificate.subjectName.toJSON(),
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(notAfter),
      publicKey: keys.publicKey,
      signingKey: this.#key,
      signingAlgorithm: SIGNING,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map(value => ({ type: isIP(value) === 0 ? "dns" : "ip", value }) as const),
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate.publicKey),
      ],
    });
    return { cert: `${certificate.toString("pem")}\n`, key: await pem(keys.privateKey) };
  }
}

/**
 * A name permits all names below it, too. Below a host name without a dot, such as `dev`, there may be a whole top-level
 * domain: those are excluded.
 */
function constraints(names: readonly string[]): NameConstraints {
  const subtree = (base: Partial<GeneralName>) => new GeneralSubtree({ base: new GeneralName(base) });
  const permitted = names.map(name => {
    const family = isIP(name);
    return subtree(family === 0 ? { dNSName: name } : { iPAddress: `${name}/${family === 4 ? 32 : 128}` });
  });
  const excluded = names
    .filter(name => isIP(name) === 0 && !name.includes(".") && name !== "localhost")
    .map(name => subtree({ dNSName: `.${name}` }));
  return new NameConstraints({
    permittedSubtrees: new GeneralSubtrees(permitted),
    ...(excluded.length > 0 && { excludedSubtrees: new GeneralSubtrees(excluded) }),
  });
}

/** A constraint that begins with a dot means what is below it, and not itself. */
function isBelow(name: string, base: string | undefined): boolean {
  return base !== undefined && (name === base || name.endsWith(base.startsWith(".") ? base : `.${base}`));
}

function isWithin(address: string, net: string | undefined): boolean {
  const [base = "", prefix] = net?.split("/") ?? [];
  const family = isIP(base) === 4 ? "ipv4" : "ipv6";
  if (isIP(base) === 0 || isIP(base) !== isIP(address)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(prefix), family);
  return list.check(address, family);
}

async function pem(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY").concat("\n");
}
