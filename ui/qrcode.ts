/** A text for a camera to read. */
import { encode } from "uqr";

/** The modules of its QR code as an SVG path, in a square of `size` units. */
export function qrCode(text: string): { path: string; size: number } {
  const { data, size } = encode(text, { border: 3 });
  const path = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  return { path, size };
}
