/** MirrorMaker's lists of regular expressions as patterns of a topology: names and globs where they say the same, else regular
 *  expressions in slashes. */

import { compilePattern } from "../patterns.ts";
import { importError } from "./mm2-configuration.ts";

/** The patterns of a list. MirrorMaker joins the parts with `|`, so an alternation at the top is a list, too.
 *  @throws {ImportError} for an expression that JavaScript does not understand */
export function patternsOf(place: string, key: string, list: string): readonly string[] {
  const parts = list
    .split(",")
    .map(unquoted)
    .flatMap(alternatives)
    .map((part) => part.trim())
    .filter((part) => part !== "");
  // Java's flag holds from where it stands to the end of what MirrorMaker joins.
  const from = parts.findIndex((part) => part.startsWith(IGNORE_CASE));
  return parts.map((part, at) => {
    const isAnyCase = from >= 0 && at >= from;
    return patternOf(place, key, isAnyCase ? `(?i:${part.replace(IGNORE_CASE, "")})` : part);
  });
}

const IGNORE_CASE = "(?i)";

/** Java's quoted text with an escape before whatever would mean something. */
function unquoted(expression: string): string {
  return expression.replace(/\\Q(.*?)(?:\\E|$)/gs, (_, text: string) => text.replace(/[\^$\\.*+?()[\]{}|/]/g, "\\$&"));
}

function patternOf(place: string, key: string, expression: string): string {
  const glob = globOf(expression);
  if (glob !== undefined) return glob;
  const pattern = `/${withoutNeedlessEscapes(expression)}/`;
  const compiled = compilePattern(pattern);
  if (!("problem" in compiled)) return pattern;
  throw importError(place, `${key} has "${expression}", which is no regular expression here: ${compiled.problem}`);
}

/** Literal characters, escaped dots and `.*` only. */
function globOf(expression: string): string | undefined {
  if (expression === ".+") return "*";
  if (!/^(?:[A-Za-z0-9_-]|\\[._-]|\.\*)+$/.test(expression)) return undefined;
  return expression.replaceAll(".*", "*").replace(/\\(.)/g, "$1");
}

/** Splits at each `|` outside of parentheses and brackets. */
function alternatives(expression: string): readonly string[] {
  const parts = [""];
  let depth = 0;
  for (const [token] of expression.matchAll(/\\.|\[(?:\\.|[^\]\\])*\]|./gs)) {
    if (token === "(") depth++;
    if (token === ")") depth--;
    if (token === "|" && depth === 0) parts.push("");
    else parts[parts.length - 1] += token;
  }
  return parts;
}

/** Java lets any character that is no letter or digit be escaped; a strict reader only those that mean something. */
function withoutNeedlessEscapes(expression: string): string {
  return expression.replace(/\[(?:\\.|[^\]\\])*\]|\\([^A-Za-z0-9^$\\.*+?()[\]{}|/])/g, (whole, needless?: string) =>
    needless === undefined ? whole : needless,
  );
}
