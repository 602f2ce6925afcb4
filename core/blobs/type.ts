/** What a blob is, by its own first bytes: whoever sends one may call it what they like. */

/** As many as are looked at: more would have a hostile file say how long that takes. */
export const HEAD_BYTES = 4_100;
const UNKNOWN = "application/octet-stream";

/** The media type of a file that begins so; `application/octet-stream` where that is none of the known ones. */
export async function typeOf(head: Uint8Array): Promise<string> {
  // Nobody waits at the start for what reads a hundred formats.
  const { fileTypeFromBuffer } = await import("file-type");
  try {
    return (await fileTypeFromBuffer(head))?.mime ?? UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

/** What a browser shows or plays without running any of it. WebM and MP4 are what they record sound in. */
const INLINE = /^(audio\/[\w.+-]+|video\/(webm|mp4)|image\/(png|jpeg|gif|webp))$/;

/** Whether a browser may show a blob of that type where it stands; any other one is for saving only. */
export function isInline(type: string): boolean {
  return INLINE.test(type.split(";")[0] as string);
}
