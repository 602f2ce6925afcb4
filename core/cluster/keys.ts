/** The CURVE keys of a cluster, from its secret. Opens no sockets. */
import { createPrivateKey, createPublicKey, hkdfSync } from "node:crypto";

/** One pair for the whole cluster: who holds it is a node. Both keys in Z85, as ZeroMQ takes them. */
export type KeyPair = { publicKey: string; secretKey: string };

/** What goes before 32 raw bytes to make a PKCS #8 private key of X25519 (RFC 8410). */
const PKCS8_X25519 = Buffer.from("302e020100300506032b656e04220420", "hex");
const KEY_BYTES = 32;
const Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/** The key pair of a secret, the same on every node: HKDF-SHA-256 (RFC 5869) to an X25519 key (RFC 7748). */
export function keysOf(secret: string): KeyPair {
  const bytes = Buffer.from(hkdfSync("sha256", secret, "web-chat", "cluster bus CURVE", KEY_BYTES));
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, bytes]), format: "der", type: "pkcs8" });
  const publicKey = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-KEY_BYTES);
  return { publicKey: z85(publicKey), secretKey: z85(bytes) };
}

/** https://rfc.zeromq.org/spec/32/ */
export function z85(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 4) {
    const word = view.getUint32(at);
    for (const power of [85 ** 4, 85 ** 3, 85 ** 2, 85, 1]) text += Z85[Math.floor(word / power) % 85];
  }
  return text;
}
