/** JSON for other programs: with a format version, and without bigints, which JSON does not know. */

/** Grows by a minor number when something is added, by a major one when something changes or goes. */
export const FORMAT_VERSION = "1.0";

/** JSON with the format version in front; bigints become numbers where they fit, else text. */
export function renderJson(value: object): string {
  return JSON.stringify({ format_version: FORMAT_VERSION, ...value }, jsonValue, 2);
}

/** The same on one line and without the version, for streams of objects. */
export function renderJsonLine(value: object): string {
  return JSON.stringify(value, jsonValue);
}

function jsonValue(_key: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
