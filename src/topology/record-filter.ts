/** Which records of a topic a mirror leaves out, as plain data: what a topology file says, with defaults applied. */

/** Texts to match, and texts not to match; each a glob, or a regular expression in slashes. */
export interface TextSelection {
  /** Empty: everything. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** A record is copied when no rule leaves it out. */
export interface RecordFilter {
  /** By the key as UTF-8 text. A record without a key has none that could match: `include` leaves it out, `exclude` does not. */
  readonly keys?: TextSelection | undefined;
  /** By headers, each `name` or `name=value`. `include`: at least one of them is there; `exclude`: none of them is. */
  readonly headers?: TextSelection | undefined;
  /** Leaves out records without a value. */
  readonly skipTombstones?: true | undefined;
  /** Leaves out records without a key, which a compacted target refuses. */
  readonly skipKeyless?: true | undefined;
  /** Keys per million that are copied: all records of a key, or none. Records without a key are chosen by their offset. */
  readonly samplePpm?: number | undefined;
  /** Header names, as patterns; headers that match are taken off the records that are copied. */
  readonly dropHeaders?: readonly string[] | undefined;
}

/** A million: everything. */
export const SAMPLE_ALL_PPM = 1_000_000;

/** A compiled pattern over texts of any characters. */
export type TextPattern = (text: string) => boolean;

/** Compiles a glob (`*`, `?`, all else as it stands) or a regular expression in slashes, both for the whole text; answers the
 *  reason as text when it is malformed. */
export function compileText(text: string): TextPattern | { readonly problem: string } {
  if (text === "") return { problem: "a pattern is empty" };
  const isRegex = text.length > 1 && text.startsWith("/") && text.endsWith("/");
  try {
    const regex = new RegExp(`^(?:${isRegex ? text.slice(1, -1) : globSource(text)})$`, "su");
    return (subject) => regex.test(subject);
  } catch (error) {
    const why = error instanceof Error ? (error.message.split(": ").at(-1) ?? "") : "";
    return { problem: `"${text}" is no regular expression: ${why}` };
  }
}

function globSource(glob: string): string {
  return glob
    .replace(/[\\^$.|+()[\]{}/]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
}

/** A pattern over one header: its name, and its value when the pattern asks for one. */
export interface HeaderPattern {
  readonly name: TextPattern;
  readonly value: TextPattern | undefined;
}

/** Compiles `name` or `name=value`; answers the reason as text when it is malformed. */
export function compileHeader(text: string): HeaderPattern | { readonly problem: string } {
  const at = text.startsWith("/") ? -1 : text.indexOf("=");
  const name = compileText(at < 0 ? text : text.slice(0, at));
  if ("problem" in name) return name;
  if (at < 0) return { name, value: undefined };
  const value = compileText(text.slice(at + 1));
  return "problem" in value ? value : { name, value };
}

/** `10%` or `0.01%` as parts per million; undefined when it is no such text, or leaves nothing or everything. */
export function parseSamplePpm(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(text.trim());
  const ppm = Math.round(Number(match?.[1]) * 10_000);
  return ppm > 0 && ppm <= SAMPLE_ALL_PPM ? ppm : undefined;
}

/** One line for people; empty without rules. */
export function describeFilter(filter: RecordFilter): string {
  const list = (what: string, selection: TextSelection | undefined): readonly string[] =>
    selection === undefined
      ? []
      : [
          ...(selection.include.length === 0 ? [] : [`only ${what} ${selection.include.join(", ")}`]),
          ...(selection.exclude.length === 0 ? [] : [`no ${what} ${selection.exclude.join(", ")}`]),
        ];
  return [
    ...list("keys", filter.keys),
    ...list("headers", filter.headers),
    ...(filter.skipTombstones ? ["no tombstones"] : []),
    ...(filter.skipKeyless ? ["no records without a key"] : []),
    ...(filter.samplePpm === undefined ? [] : [`${filter.samplePpm / 10_000} % of keys`]),
    ...(filter.dropHeaders === undefined ? [] : [`without headers ${filter.dropHeaders.join(", ")}`]),
  ].join("; ");
}
