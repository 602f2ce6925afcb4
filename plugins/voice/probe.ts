/** A thread that says what is in the files that it is sent. */
import { parentPort } from "node:worker_threads";
import { BufferSource, Input, MATROSKA, MP4, OGG, QTFF, WEBM } from "mediabunny";
import type { Contents } from "./probes.ts";

parentPort?.on("message", async (bytes: Uint8Array) => {
  parentPort?.postMessage(await look(bytes).catch(() => undefined));
});

async function look(bytes: Uint8Array): Promise<Contents | undefined> {
  const input = new Input({ source: new BufferSource(bytes), formats: [WEBM, OGG, MP4, QTFF, MATROSKA] });
  if (!(await input.canRead())) return undefined;
  const { mimeType } = await input.getFormat();
  const tracks = await input.getTracks();
  const codecs = await Promise.all(
    tracks.map(async track => `${track.isAudioTrack() ? "" : "video "}${await track.getCodec()}`),
  );
  const said = await input.getDurationFromMetadata();
  return {
    format: mimeType.replace(/^\w+/, "audio"),
    codecs,
    endMs: (await input.computeDuration()) * 1_000,
    saidMs: said === null ? null : said * 1_000,
  };
}
