/** Turns what zod found into issues with a place, in this project's words. */

import type { z } from "zod";
import type { Path, YamlFile } from "./document.ts";
import type { TopologyIssue, TopologyIssueCode } from "./errors.ts";
import { nearestName } from "./nearest.ts";
import { LATER_KEYS } from "./schema.ts";

/** Where an entry lies: its file and path, and where its defaults came from when it lacks a key itself. */
export interface Origin {
  readonly yaml: YamlFile;
  readonly path: Path;
  readonly defaults?: { readonly yaml: YamlFile; readonly path: Path };
}

/** Result of checking one entry; `value` is undefined when there are issues. */
export interface Checked<T> {
  readonly value: T | undefined;
  readonly issues: readonly TopologyIssue[];
}

/** Checks `input` against `schema`; `what` names the kind of entry in messages, for example `mirror "a"`. */
export function check<S extends z.ZodType>(
  schema: S,
  input: unknown,
  origin: Origin,
  what: string,
): Checked<z.output<S>> {
  const result = schema.safeParse(input, { error: (issue) => describe(issue) });
  if (result.success) return { value: result.data, issues: [] };
  const known = knownKeys(schema);
  const found = result.error.issues
    .flatMap((issue) => flatten(issue, input))
    .map((issue) => ({ issue, explained: explain(issue, { input, origin, what, known }) }));
  // A mistyped key explains why the right one is missing: one mistake, one line.
  const meant = new Set(found.flatMap(({ explained }) => explained.map((issue) => issue.suggestion)));
  const issues = found.flatMap(({ issue, explained }) =>
    explained.filter(({ code }) => code !== "missing-key" || !meant.has(String(issue.path.at(-1)))),
  );
  return { value: undefined, issues };
}

/** Of a union, reports the branch that understood the input best: the one whose complaint lies deepest. */
function flatten(issue: z.core.$ZodIssue, input: unknown): readonly z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const depth = (branch: readonly z.core.$ZodIssue[]): number =>
    Math.max(
      -1,
      ...branch.map((inner) => (inner.code === "invalid_type" && inner.path.length === 0 ? -1 : inner.path.length)),
    );
  const branches = issue.errors.map((branch) => branch.flatMap((inner) => flatten(inner, valueAt(input, issue.path))));
  const best = branches.reduce((a, b) => (depth(b) > depth(a) ? b : a), branches[0] ?? []);
  const allShallow = branches.every((branch) => depth(branch) === -1);
  const first = best[0];
  if (allShallow && first !== undefined) {
    const wanted = branches
      .flat()
      .flatMap((inner) => (inner.code === "invalid_type" ? [typeName(inner.expected)] : []));
    return [
      {
        ...first,
        message: `expected ${[...new Set(wanted)].join(" or ")}, found ${typeOf(valueAt(input, issue.path))}`,
        path: issue.path,
      },
    ];
  }
  return best.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

interface Context {
  readonly input: unknown;
  readonly origin: Origin;
  readonly what: string;
  readonly known: ReadonlyMap<string, readonly string[]>;
}

function explain(issue: z.core.$ZodIssue, context: Context): readonly TopologyIssue[] {
  const { origin, input, what, known } = context;
  if (issue.code === "unrecognized_keys") {
    const names = known.get(schemaPath(issue.path)) ?? [];
    return issue.keys.map((key) => unknownKey(key, [...issue.path, key], { origin, names }));
  }
  const missing = issue.path.length > 0 && valueAt(input, issue.path) === undefined;
  if (missing) {
    const key = String(issue.path.at(-1));
    const own = issue.message.startsWith("missing");
    const fact = own ? `${what}: ${issue.message}` : `${what}: missing key "${key}"`;
    return [{ code: "missing-key", place: placeOf(origin, issue.path.slice(0, -1)), fact }];
  }
  const own = issue.code === "custom" || issue.message.startsWith(String(issue.path.at(-1)));
  const subject = issue.path.length > 0 && !own ? `${issue.path.map(String).join(".")}: ` : "";
  const issueCode = codeOf(issue);
  const params = issue.code === "custom" ? (issue.params as { suggestion?: string } | undefined) : undefined;
  const base = { code: issueCode, place: placeOf(origin, issue.path), fact: `${subject}${issue.message}` };
  return [params?.suggestion === undefined ? base : { ...base, suggestion: params.suggestion }];
}

function unknownKey(
  key: string,
  path: Path,
  context: { readonly origin: Origin; readonly names: readonly string[] },
): TopologyIssue {
  const place = placeOfKey(context.origin, path);
  const later = LATER_KEYS[key];
  if (later !== undefined)
    return { code: "unsupported", place, fact: `"${key}" is not supported yet: ${later}; remove it` };
  const near = nearestName(key, context.names);
  const fact = `unknown key "${key}"`;
  if (near !== undefined) return { code: "unknown-key", place, fact, suggestion: near };
  return { code: "unknown-key", place, fact: `${fact}; known here: ${context.names.join(", ")}` };
}

function codeOf(issue: z.core.$ZodIssue): TopologyIssueCode {
  if (issue.code === "custom") return (issue.params as { code?: TopologyIssueCode } | undefined)?.code ?? "bad-value";
  if (issue.message.includes("has no unit")) return "unit-missing";
  return issue.code === "invalid_type" ? "wrong-type" : "bad-value";
}

/** The place of a path of the merged entry: in the entry, or in the defaults that supplied it. */
export function placeOf(origin: Origin, path: Path): TopologyIssue["place"] {
  const inDefaults = origin.defaults;
  const own = [...origin.path, ...path];
  if (!origin.yaml.has(own) && inDefaults?.yaml.has([...inDefaults.path, ...path])) {
    return inDefaults.yaml.placeOf([...inDefaults.path, ...path]);
  }
  return origin.yaml.placeOf(own);
}

function placeOfKey(origin: Origin, path: Path): TopologyIssue["place"] {
  const inDefaults = origin.defaults;
  const own = [...origin.path, ...path];
  if (!origin.yaml.has(own) && inDefaults?.yaml.has([...inDefaults.path, ...path])) {
    return inDefaults.yaml.placeOfKey([...inDefaults.path, ...path]);
  }
  return origin.yaml.placeOfKey(own);
}

function valueAt(input: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}

/** Generic messages; schemas say their own where a remedy is known. */
function describe(issue: z.core.$ZodRawIssue): string {
  if (issue.code === "invalid_type")
    return `expected ${typeName(String(issue.expected))}, found ${typeOf(issue.input)}`;
  if (issue.code === "invalid_value") {
    const near = nearestName(String(issue.input), issue.values.map(String));
    const wanted = issue.values.map(String).join(", ");
    return `"${String(issue.input)}" is not one of ${wanted}${near === undefined ? "" : `; did you mean "${near}"?`}`;
  }
  if (issue.code === "too_small") return `${tooMuch(issue.input, "small", "few")}; at least ${String(issue.minimum)}`;
  if (issue.code === "too_big") return `${tooMuch(issue.input, "large", "many")}; at most ${String(issue.maximum)}`;
  return "cannot be used";
}

function tooMuch(value: unknown, size: string, count: string): string {
  if (Array.isArray(value)) return `${value.length} entries are too ${count}`;
  return typeof value === "string" ? `${value.length} characters are too ${count}` : `${String(value)} is too ${size}`;
}

function typeName(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    object: "keys",
    record: "keys",
    array: "a list",
    string: "a text",
    int: "a whole number",
  };
  return names[expected] ?? `a ${expected}`;
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "keys";
  return typeof value === "string" ? `the text "${value}"` : `the ${typeof value} ${String(value)}`;
}

/** Index-free path, under which the known keys of an object are filed. */
function schemaPath(path: Path): string {
  return path.filter((key) => typeof key === "string").join(".");
}

/** Keys of every object inside a schema, by path; only what zod's public JSON description tells would cost more at start. */
function knownKeys(schema: z.ZodType): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== "object" || node === null || !("_zod" in node)) return;
    const def = (node as z.ZodType)._zod.def as unknown as Readonly<Record<string, unknown>>;
    if (typeof def["shape"] === "object" && def["shape"] !== null) {
      const entries = Object.entries(def["shape"]);
      found.set(
        path,
        entries.map(([key]) => key),
      );
      for (const [key, value] of entries) visit(value, path === "" ? key : `${path}.${key}`);
    }
    for (const key of ["innerType", "in", "element"]) visit(def[key], path);
    if (Array.isArray(def["options"])) for (const option of def["options"]) visit(option, path);
  };
  visit(schema, "");
  return found;
}
