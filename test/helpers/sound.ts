/** Sound for tests: what a microphone hears, and files that hold recordings. */
import {
  type AudioCodec,
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  Mp4OutputFormat,
  OggOutputFormat,
  Output,
  WebMOutputFormat,
} from "mediabunny";

const RATE = 48_000;

/** A WAV file of parts that follow each other: how loud each is, and for how many seconds. */
export function wav(...parts: { level: number; seconds: number }[]): Buffer {
  const samples = parts.flatMap(({ level, seconds }) =>
    Array.from({ length: seconds * RATE }, (_, at) => {
      // A tone that glides up and down: a steady one is taken for noise, and suppressed.
      const t = at / RATE;
      return (
        level * Math.sin(2 * Math.PI * (400 * t - 40 * Math.cos(2 * Math.PI * 3 * t))) * (0.7 + 0.3 * Math.sin(30 * t))
      );
    }),
  );
  const file = Buffer.alloc(44 + samples.length * 2);
  file.write("RIFF", 0);
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(RATE * 2, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write("data", 36);
  file.writeUInt32LE(samples.length * 2, 40);
  for (const [at, sample] of samples.entries()) file.writeInt16LE(Math.round(sample * 32_000), 44 + at * 2);
  return file;
}

const FORMATS = {
  webm: () => new WebMOutputFormat(),
  ogg: () => new OggOutputFormat(),
  mp4: () => new Mp4OutputFormat({ fastStart: "in-memory" }),
};

/** What decoders have to be told: AAC-LC, 48 kHz, one channel; and Opus as its header says it. */
const DESCRIPTIONS: Partial<Record<AudioCodec, Uint8Array>> = {
  aac: new Uint8Array([0x11, 0x88]),
  opus: Buffer.from("OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00", "latin1"),
};

/** A file whose packets have those durations: silence, as far as a container can tell. */
export async function recording(
  format: keyof typeof FORMATS,
  { seconds = 2, codec = format === "mp4" ? "aac" : "opus" }: { seconds?: number; codec?: AudioCodec } = {},
): Promise<Buffer> {
  const target = new BufferTarget();
  const output = new Output({ format: FORMATS[format](), target });
  const source = new EncodedAudioPacketSource(codec);
  output.addAudioTrack(source);
  await output.start();
  const description = DESCRIPTIONS[codec];
  const decoderConfig = {
    codec: codec === "aac" ? "mp4a.40.2" : codec,
    sampleRate: RATE,
    numberOfChannels: 1,
    ...(description && { description }),
  };
  const step = 0.02;
  // An Opus packet of 20 ms of silence.
  const silence = new Uint8Array([0xf8, 0xff, 0xfe]);
  for (let at = 0; at < Math.round(seconds / step); at++)
    await source.add(new EncodedPacket(silence, "key", at * step, step), { decoderConfig });
  await output.finalize();
  return Buffer.from(target.buffer as ArrayBuffer);
}
