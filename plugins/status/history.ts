/** The last minute of a figure, one sample a second. */
import { signal } from "@preact/signals";

const SAMPLES = 60;

export type Sample = { messagesPerSecond: number; clients: number };

export const history = signal<readonly Sample[]>([]);

/** Samples once a second until the returned function is called. */
export function record(sample: () => Sample): () => void {
  const clock = setInterval(() => {
    history.value = [...history.peek().slice(1 - SAMPLES), sample()];
  }, 1_000);
  return () => clearInterval(clock);
}

/** The samples as the outline of an area in an SVG box of `width` × `height`: it stands on the lower edge, newest at the right. */
export function path(samples: readonly number[], width: number, height: number): string {
  const most = Math.max(1, ...samples);
  const step = width / (SAMPLES - 1);
  const points = samples.map((sample, at) => {
    const x = width - (samples.length - 1 - at) * step;
    return `${x.toFixed(1)} ${(height - (sample / most) * (height - 1)).toFixed(1)}`;
  });
  return points.length > 1 ? `M${width - (points.length - 1) * step} ${height}L${points.join("L")}V${height}` : "";
}
