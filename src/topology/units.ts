/** Durations and sizes as people write them: `30s`, `50MiB`. A bare number is refused, because nobody knows its unit. */

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};
const QUANTITY = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/;

/** The units a duration may carry. */
export const DURATION_UNITS: readonly string[] = Object.keys(DURATION_MS);
/** The units a size may carry. */
export const SIZE_UNITS: readonly string[] = Object.keys(SIZE_BYTES);

/** Milliseconds of `30s`, `5m`, `1.5h`; undefined when the text is no number with a known unit. */
export function parseDurationMs(text: string): number | undefined {
  return quantity(text, DURATION_MS);
}

/** Bytes of `64KiB`, `50MB`; undefined when the text is no number with a known unit. */
export function parseSizeBytes(text: string): number | undefined {
  return quantity(text, SIZE_BYTES);
}

/** Bytes in a second of `50MiB/s`, `100GiB/d`; undefined when the text is no size for a duration of one. */
export function parseRate(text: string): number | undefined {
  const [size, unit, ...rest] = text.split("/");
  const bytes = parseSizeBytes(size ?? "");
  const ms = parseDurationMs(`1${unit ?? ""}`);
  return bytes === undefined || ms === undefined || rest.length > 0 ? undefined : (bytes * 1_000) / ms;
}

function quantity(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = QUANTITY.exec(text.trim());
  const factor = match?.[2] === undefined ? undefined : units[match[2]];
  if (match?.[1] === undefined || factor === undefined) return undefined;
  return Math.round(Number(match[1]) * factor);
}

/** `1.5 s`, `340 ms`, `2.0 h`: three figures at most, for people. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 120_000) return `${(durationMs / 1_000).toFixed(1)} s`;
  if (durationMs < 7_200_000) return `${(durationMs / 60_000).toFixed(1)} min`;
  return `${(durationMs / 3_600_000).toFixed(1)} h`;
}

/** `512 B`, `1.4 MiB`: for people. */
export function formatBytes(bytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < names.length - 1) {
    value /= 1024;
    index++;
  }
  return index === 0 ? `${value} B` : `${value.toFixed(1)} ${names[index]}`;
}
