/** A log line for a person: time, level, message, then the facts as key=value. */

/** Told already, or the same in every line. */
const LEFT_OUT = new Set(["time", "level", "message", "pid"]);

/** Makes it from a JSON line; text that is no JSON object stays as it is. */
export function prettyLine(line: string): string {
  const facts = parsed(line);
  if (facts === undefined) return line;
  const pairs = Object.entries(facts)
    .filter(([key]) => !LEFT_OUT.has(key))
    .map(([key, value]) => `${key}=${shown(value)}`);
  const time = String(facts["time"] ?? "").slice(11, 23);
  const level = String(facts["level"] ?? "")
    .toUpperCase()
    .padEnd(5);
  return `${[time, level, String(facts["message"] ?? ""), ...pairs].join(" ")}\n`;
}

/** Quotes what has blanks, so that the line can still be read by a program. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}

function parsed(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
