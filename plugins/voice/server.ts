import { defineServer, Reject } from "../../core/plugin.ts";
import voice, { MAX_MS, MIN_MS, type Recording } from "./message.ts";
import type { Contents } from "./prober.ts";
import { Probes } from "./probes.ts";

/** The sender measures the same packets; a container's clock may be rounded. */
const TOLERANCE_MS = 250;
/** The longest packet of Opus: WebM does not say how long its last one lasts. */
const PACKET_MS = 60;
/** 320 kbit/s, and what is around the sound: whatever is larger is not all sound. */
const MAX_BYTES_PER_MS = 40;
const MAX_OVERHEAD_BYTES = 64 * 1024;
const CODECS: Record<string, Recording["mime"]> = {
  "audio/webm opus": "audio/webm",
  "audio/ogg opus": "audio/ogg",
  "audio/mp4 aac": "audio/mp4",
};

export default defineServer(voice, () => {
  const probes = new Probes();
  return {
    async receive(body, { blob, from }) {
      const file = await blob(body.blob);
      if (!file) throw new Reject("not-found", "the recording is not on this node");
      if (file.size > MAX_OVERHEAD_BYTES + MAX_BYTES_PER_MS * body.durationMs)
        throw new Reject("invalid", "the file is larger than a recording of that duration");
      assertAlike(body, await probes.look(file, from.person.id));
      return body;
    },
  };
});

/** Throws `Reject` where the file is not the recording that the message says it is. */
function assertAlike({ mime, durationMs }: Recording, contents: Contents | undefined): void {
  if (!contents) throw new Reject("invalid", "the file is no audio, or is damaged");
  const { format, codecs, endMs, saidMs } = contents;
  if (codecs.length !== 1 || CODECS[`${format} ${codecs[0]}`] !== mime)
    throw new Reject("invalid", `the file is ${format} with ${codecs.join(", ") || "nothing in it"}`);
  // What is no number is refused as well.
  if (!(endMs >= MIN_MS - PACKET_MS && endMs <= MAX_MS))
    throw new Reject("invalid", "a recording lasts from half a second to 15 minutes");
  for (const ms of saidMs === null ? [endMs] : [endMs, saidMs])
    if (!(Math.abs(ms - durationMs) <= TOLERANCE_MS))
      throw new Reject("invalid", `the file lasts ${Math.round(ms)} ms, and not ${durationMs}`);
}
