/** Patterns over topic and group names: globs (`orders.*`), or whole-name regular expressions in slashes (`/^t\d+$/`). */

import { nearestName } from "./nearest.ts";

/** One compiled pattern. Its whole is matched against the whole name. */
export interface Pattern {
  /** As written in the file. */
  readonly text: string;
  readonly kind: "name" | "glob" | "regex";
  matches(name: string): boolean;
}

/** What to take and, of that, what to leave out. */
export interface Selection {
  readonly include: readonly Pattern[];
  readonly exclude: readonly Pattern[];
}

/** Characters of a Kafka topic name, plus `:` and `@`, which group names often carry. */
const GLOB = /^[A-Za-z0-9._:@*?-]+$/;

/** Compiles a pattern; answers the reason as text when it is malformed. */
export function compilePattern(text: string): Pattern | { readonly problem: string } {
  if (text.length > 1 && text.startsWith("/") && text.endsWith("/")) {
    try {
      const regex = new RegExp(`^(?:${text.slice(1, -1)})$`, "u");
      return { text, kind: "regex", matches: (name) => regex.test(name) };
    } catch (error) {
      return {
        problem: `"${text}" is no regular expression: ${error instanceof Error ? (error.message.split(": ").at(-1) ?? "") : ""}`,
      };
    }
  }
  if (!GLOB.test(text)) return { problem: `"${text}" is no glob; a regular expression goes in slashes: /${text}/` };
  if (!/[*?]/.test(text)) return { text, kind: "name", matches: (name) => name === text };
  const regex = new RegExp(
    `^${text
      .replace(/[.@:-]/g, "\\$&")
      .replaceAll("*", ".*")
      .replaceAll("?", ".")}$`,
  );
  return { text, kind: "glob", matches: (name) => regex.test(name) };
}

/** Names that belong to Kafka or to a replication tool: `__*`, `*.internal`, `*-internal`. Wildcards never match them. */
export function isInternalName(name: string): boolean {
  return name.startsWith("__") || name.endsWith(".internal") || name.endsWith("-internal");
}

/** Says whether a selection takes `name`. Internal names are taken only when written out in full. */
export function selects(selection: Selection, name: string): boolean {
  if (selection.exclude.some((pattern) => pattern.matches(name))) return false;
  const internal = isInternalName(name);
  return selection.include.some((pattern) => pattern.matches(name) && (!internal || pattern.kind === "name"));
}

/** A name that both globs match (a witness for people), or undefined when there is none. Regular expressions are opaque:
 *  they are only tried against a plain name, so an overlap of two of them is found by the plan on live names. */
export function commonName(a: Pattern, b: Pattern): string | undefined {
  if (a.kind === "name") return b.matches(a.text) ? a.text : undefined;
  if (b.kind === "name") return a.matches(b.text) ? b.text : undefined;
  if (a.kind === "regex" || b.kind === "regex") return a.text === b.text ? sampleName(a) : undefined;
  return intersect(a.text, b.text);
}

/** Some name that the pattern matches, for examples in messages; undefined for a regular expression that "x" does not match. */
export function sampleName(pattern: Pattern): string | undefined {
  if (pattern.kind === "regex") return pattern.matches("x") ? "x" : undefined;
  return pattern.text.replaceAll("*", "x").replaceAll("?", "x");
}

/** Walks both globs side by side; `memo` keeps dead ends so that the walk is quadratic, not exponential. */
function intersect(a: string, b: string): string | undefined {
  const dead = new Set<number>();
  const walk = (i: number, j: number): string | undefined => {
    if (i === a.length && j === b.length) return "";
    const key = i * (b.length + 1) + j;
    if (dead.has(key)) return undefined;
    const found = step(i, j);
    if (found === undefined) dead.add(key);
    return found;
  };
  const step = (i: number, j: number): string | undefined => {
    const x = a[i];
    const y = b[j];
    if (x === "*" && y === "*") return prefixed("x", walk(i + 1, j + 1)) ?? walk(i + 1, j) ?? walk(i, j + 1);
    if (x === "*")
      return walk(i + 1, j) ?? (y === undefined ? undefined : prefixed(y === "?" ? "x" : y, walk(i, j + 1)));
    if (y === "*")
      return walk(i, j + 1) ?? (x === undefined ? undefined : prefixed(x === "?" ? "x" : x, walk(i + 1, j)));
    if (x === undefined || y === undefined) return undefined;
    if (x !== y && x !== "?" && y !== "?") return undefined;
    return prefixed(x === "?" ? (y === "?" ? "x" : y) : x, walk(i + 1, j + 1));
  };
  return walk(0, 0);
}

function prefixed(head: string, tail: string | undefined): string | undefined {
  return tail === undefined ? undefined : head + tail;
}

/** Names that a pattern without a match most likely meant, at most `limit`: names that differ by a letter or two, and for a
 *  glob also names that the glob matches once one separator is dropped or one letter added. */
export function nearMisses(pattern: Pattern, names: readonly string[], limit = 5): readonly string[] {
  if (pattern.kind === "regex") {
    const loose = looseRegex(pattern.text);
    return loose === undefined ? [] : names.filter((name) => loose.test(name)).slice(0, limit);
  }
  if (pattern.kind === "name") {
    const near = nearestName(pattern.text, names);
    return near === undefined ? [] : [near];
  }
  const stem = pattern.text.replace(/[*?].*$/, "").replace(/[._-]+$/, "");
  if (stem === "") return [];
  const near = names.filter((name) => nearestName(stem, [name.slice(0, stem.length), name.slice(0, stem.length + 1)]));
  return near.slice(0, limit);
}

/** The expression without its anchors and without regard to case. */
function looseRegex(text: string): RegExp | undefined {
  try {
    return new RegExp(text.slice(1, -1).replace(/^\^|\$$/g, ""), "iu");
  } catch {
    return undefined; // an anchor was needed for the syntax: no hint then
  }
}
