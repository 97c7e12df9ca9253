/** Compares the answers of two regions field by field, and sets aside the differences that are meant to be. */

import { DIFFERENCES, type Difference } from "./differences.ts";
import type { Plain } from "./normalise.ts";

/** One field that differs. */
export interface FieldDifference {
  readonly label: string;
  /** Path in the answer, such as `topics.0.partitions.0.errorCode`. */
  readonly path: string;
  readonly embedded: Plain | undefined;
  readonly kafka: Plain | undefined;
}

type Labelled = Readonly<Record<string, Plain>>;

/** Differing fields that no entry of `DIFFERENCES` explains, and entries for the case that explain nothing any more. */
export function compareCase(name: string, embedded: Labelled, kafka: Labelled) {
  const found = [...differingFields("", "", embedded, kafka)];
  const meant = DIFFERENCES.filter((one) => one.case === name);
  return {
    unexplained: found.filter((field) => !meant.some((one) => explains(one, field))),
    stale: meant.filter((one) => !found.some((field) => explains(one, field))),
  };
}

function explains(one: Difference, field: FieldDifference): boolean {
  return one.label.test(field.label) && one.path.test(field.path);
}

function* differingFields(
  label: string,
  path: string,
  a: Plain | undefined,
  b: Plain | undefined,
): Generator<FieldDifference> {
  if (isTree(a) && isTree(b) && Array.isArray(a) === Array.isArray(b)) {
    const left = Object.entries(a);
    const right = new Map(Object.entries(b));
    const keys = new Set([...left.map(([key]) => key), ...right.keys()]);
    for (const key of keys) {
      const child = new Map(left).get(key);
      if (label === "") yield* differingFields(key, "", child, right.get(key));
      else yield* differingFields(label, path === "" ? key : `${path}.${key}`, child, right.get(key));
    }
    return;
  }
  if (a !== b) yield { label, path, embedded: a, kafka: b };
}

function isTree(value: Plain | undefined): value is readonly Plain[] | { readonly [key: string]: Plain } {
  return typeof value === "object" && value !== null;
}
