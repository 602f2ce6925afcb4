/** How people get the certificate authority onto their devices: its file, and the page that says where it goes. */
import { type Assets, makeAsset } from "../assets.ts";
import type { PublicAuthority } from "./certificates.ts";

/** In the built UI; asked for as it stands, it is nothing to anybody. */
const TEMPLATE = "/ca.html";
/** Both Apple's devices and Android's take PEM under this type, and so do the tools that want no other form. */
const CERTIFICATE_TYPE = "application/x-x509-ca-cert";

/** The assets with `/ca` and `/ca.crt`, where there is an authority. */
export function withAuthority(assets: Assets, authority: PublicAuthority | undefined): Assets {
  const all = new Map(assets);
  const template = all.get(TEMPLATE);
  all.delete(TEMPLATE);
  if (!authority) return all;
  all.set("/ca.crt", makeAsset(CERTIFICATE_TYPE, Buffer.from(authority.certificate)));
  // Two bytes to a group, so that it can be read out and wraps where it is narrow.
  const groups = authority.fingerprint.replace(/(..:..):?/g, "<span>$1</span> ").trim();
  if (template) {
    const page = template.plain.toString().replaceAll("<!-- fingerprint -->", groups);
    all.set("/ca", makeAsset(template.type, Buffer.from(page)));
  }
  return all;
}

/** What of the page may be read over plain HTTP: a device gets it before it trusts this node. */
export function isForStrangers(path: string): boolean {
  return path === "/ca" || path === "/ca.crt" || path.startsWith("/assets/");
}
