/** Makes a file that can be sent of what a browser recorded: with a duration, and an index to seek by. */
import {
  BlobSource,
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacketSink,
  Input,
  MP4,
  Mp4OutputFormat,
  OGG,
  Output,
  WEBM,
  WebMOutputFormat,
} from "mediabunny";
import { MAX_MS } from "./measures.ts";
import type { Recording } from "./message.ts";

const PEAKS = 96;
/** Enough to see how loud speech is, and the least that every browser has to decode to. */
const RATE = 8_000;
/** What is quieter than this everywhere is shown quiet. */
const QUIET = 0.06;

export type Finished = Omit<Recording, "blob"> & { file: Blob };

/** Throws where what was recorded cannot be read. */
export async function finish(recorded: Blob): Promise<Finished> {
  const { bytes, mime, durationMs } = await rewrite(recorded);
  const file = new Blob([bytes], { type: mime });
  return { file, mime, durationMs, peaks: await peaksOf(bytes) };
}

/** The same packets in a new file. Nothing is encoded again. */
async function rewrite(recorded: Blob) {
  const input = new Input({ source: new BlobSource(recorded), formats: [WEBM, OGG, MP4] });
  const track = await input.getPrimaryAudioTrack();
  const codec = await track?.getCodec();
  const decoderConfig = await track?.getDecoderConfig();
  if (!track || !codec || !decoderConfig) throw new Error("there is no sound in it");
  const isMp4 = codec === "aac";
  const target = new BufferTarget();
  const format = isMp4 ? new Mp4OutputFormat({ fastStart: "in-memory" }) : new WebMOutputFormat();
  const output = new Output({ format, target });
  const source = new EncodedAudioPacketSource(codec);
  output.addAudioTrack(source);
  await output.start();
  let begin: number | undefined;
  let end = 0;
  for await (const packet of new EncodedPacketSink(track).packets()) {
    begin ??= packet.timestamp;
    const moved = packet.clone({ timestamp: packet.timestamp - begin });
    // A page in the background may be told late that the time is over.
    if (moved.timestamp + moved.duration > MAX_MS / 1_000) break;
    await source.add(moved, { decoderConfig });
    end = moved.timestamp + moved.duration;
  }
  await output.finalize();
  if (!target.buffer) throw new Error("nothing was written");
  const mime: Recording["mime"] = isMp4 ? "audio/mp4" : "audio/webm";
  return { bytes: target.buffer, mime, durationMs: Math.round(end * 1_000) };
}

/** How loud each part of it is; the loudest is 255 unless all of it is quiet. */
async function peaksOf(bytes: ArrayBuffer): Promise<number[]> {
  const { length, ...decoded } = await decode(bytes);
  const loud = Array.from({ length: PEAKS }, (_, part) => {
    const from = Math.floor((part * length) / PEAKS);
    let sum = 0;
    const to = Math.max(from + 1, Math.floor(((part + 1) * length) / PEAKS));
    for (let at = from; at < to; at++) sum += (decoded.samples[at] ?? 0) ** 2;
    return Math.sqrt(sum / (to - from));
  });
  const most = Math.max(QUIET, ...loud);
  return loud.map(level => Math.round((level / most) * 255));
}

async function decode(bytes: ArrayBuffer): Promise<{ samples: Float32Array; length: number }> {
  // Decoding takes the buffer away.
  const buffer = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes.slice(0));
  return { samples: buffer.getChannelData(0), length: buffer.length };
}
