/** A thread that says what is in the files that it is sent. */
import { parentPort } from "node:worker_threads";
import {
  BufferSource,
  EncodedPacketSink,
  Input,
  type InputTrack,
  Logging,
  LogLevel,
  MATROSKA,
  MP4,
  OGG,
  QTFF,
  WEBM,
} from "mediabunny";
import { claimsTooMuch } from "./claims.ts";
import type { Contents } from "./prober.ts";

// It would print what it finds in the file.
Logging.level = LogLevel.Silent;

parentPort?.on("message", async (bytes: Uint8Array) => {
  parentPort?.postMessage(await look(bytes).catch(() => undefined));
});
parentPort?.postMessage("ready");

async function look(bytes: Uint8Array): Promise<Contents | undefined> {
  if (claimsTooMuch(bytes)) return undefined;
  const input = new Input({ source: new BufferSource(bytes), formats: [WEBM, OGG, MP4, QTFF, MATROSKA] });
  if (!(await input.canRead())) return undefined;
  const { mimeType } = await input.getFormat();
  const format = mimeType.replace(/^\w+/, "audio");
  const tracks = await input.getTracks();
  const codecs = await Promise.all(tracks.map(codecOf));
  const [track] = tracks;
  if (!track || tracks.length > 1) return { format, codecs, endMs: 0, saidMs: null };
  // Its place may lie outside the file.
  if (!(await new EncodedPacketSink(track).getFirstPacket())) return undefined;
  const said = await input.getDurationFromMetadata();
  return {
    format,
    codecs,
    endMs: (await input.computeDuration()) * 1_000,
    saidMs: said === null ? null : said * 1_000,
  };
}

/** As the library calls it, if it is what the container says plainly: it looks through encryption, and past nonsense. */
async function codecOf(track: InputTrack): Promise<string> {
  const said = await track.getInternalCodecId();
  if (!track.isAudioTrack()) return "video";
  return said === null || said === "A_OPUS" || said === "mp4a" ? `${await track.getCodec()}` : "another codec";
}
