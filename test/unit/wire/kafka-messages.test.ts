/** Every definition, field by field and version by version, against Kafka's own. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { ALL_APIS } from "../../../src/wire/apis.ts";
import type { FieldShape, Shape } from "../../../src/wire/shape.ts";

type KafkaField = readonly [
  type: string,
  versions: string,
  nullable: string,
  tag: number,
  fallback: string,
  fields?: readonly KafkaField[],
];
interface KafkaMessage {
  readonly key: number;
  readonly versions: string;
  readonly flexible: string;
  readonly request: readonly KafkaField[];
  readonly response: readonly KafkaField[];
}

const { messages } = JSON.parse(readFileSync(new URL("kafka-messages.json", import.meta.url), "utf8")) as {
  readonly messages: Readonly<Record<string, KafkaMessage>>;
};

/** One field as it is on the wire, or a bracket. */
interface Token {
  readonly kind: string;
  readonly nullable: boolean;
  readonly tag: number;
}

for (const api of ALL_APIS.values()) {
  test(`${api.name} has the fields that Kafka's definition has at each version`, () => {
    const kafka = messages[api.name];
    assert.ok(kafka !== undefined);
    assert.equal(api.key, kafka.key);
    const [kafkaMin, kafkaMax] = rangeOf(kafka.versions);
    const [min, max] = api.versions;
    assert.ok(min >= kafkaMin && max <= kafkaMax, `versions ${min}-${max} of ${kafka.versions}`);
    assert.equal(api.flexibleFrom, rangeOf(kafka.flexible)[0]);
    for (let version = min; version <= max; version++) {
      for (const side of ["request", "response"] as const) {
        const ours = ourTokens(api[side].shape, version, -1);
        const theirs: readonly Token[] = [OPEN, ...kafkaTokens(kafka[side], version), CLOSE];
        assert.deepEqual(ours.map(fixed), theirs.map(fixed), `${side} v${version}`);
        for (const [index, token] of theirs.entries()) {
          // Taking a null where Kafka takes none is no harm; refusing one is.
          assert.ok(!token.nullable || ours[index]?.nullable === true, `${side} v${version}: field ${index} nullable`);
        }
      }
    }
  });
}

test("A field that a version lacks reads as Kafka's default", () => {
  for (const api of ALL_APIS.values()) {
    const kafka = messages[api.name];
    assert.ok(kafka !== undefined);
    for (const side of ["request", "response"] as const)
      checkDefaults(api[side].shape, kafka[side], { path: api.name, max: api.versions[1] });
  }
});

const OPEN: Token = { kind: "{", nullable: false, tag: -1 };
const CLOSE: Token = { kind: "}", nullable: false, tag: -1 };

function fixed({ kind, tag }: Token): string {
  return `${kind} ${tag}`;
}

function ourTokens(shape: Shape, version: number, tag: number): Token[] {
  switch (shape.kind) {
    case "struct": {
      const present = shape.fields.filter(({ from, to }) => version >= from && version <= to);
      return [{ ...OPEN, tag }, ...present.flatMap((f) => ourTokens(f.shape, version, f.tag ?? -1)), CLOSE];
    }
    case "array":
      return [{ kind: "[]", nullable: shape.nullable, tag }, ...ourTokens(shape.item, version, -1)];
    case "nullable":
      return [{ kind: "?", nullable: true, tag }, ...ourTokens(shape.item, version, -1)];
    case "string":
    case "bytes":
      return [{ kind: shape.kind, nullable: shape.nullable, tag }];
    default:
      return [{ kind: shape.kind, nullable: false, tag }];
  }
}

function kafkaTokens(fields: readonly KafkaField[], version: number): Token[] {
  return fields
    .filter(([, versions]) => within(versions, version))
    .flatMap(([type, , nullable, tag, , inner]) => {
      const isNullable = within(nullable, version);
      const item = type.replace("[]", "");
      const head = type.startsWith("[]") ? [{ kind: "[]", nullable: isNullable, tag }] : [];
      const itemTag = head.length > 0 ? -1 : tag;
      if (item === "struct") return [...head, { ...OPEN, tag: itemTag }, ...kafkaTokens(inner ?? [], version), CLOSE];
      return [...head, { kind: KINDS[item] ?? item, nullable: head.length === 0 && isNullable, tag: itemTag }];
    });
}

const KINDS: Readonly<Record<string, string>> = { records: "bytes", bool: "boolean" };

function checkDefaults(
  shape: Shape,
  kafka: readonly KafkaField[],
  { path, max }: { readonly path: string; readonly max: number },
): void {
  if (shape.kind !== "struct") return;
  const defined = kafka.filter(([, versions]) => rangeOf(versions)[0] <= max);
  assert.equal(shape.fields.length, defined.length, `${path}: fields ${shape.fields.map((f) => f.name).join(" ")}`);
  for (const [index, field] of shape.fields.entries()) {
    const theirs = defined[index];
    if (theirs === undefined) continue;
    const where = `${path}.${field.name}`;
    if (field.absent !== undefined) assert.deepEqual(field.absent, defaultOf(field, theirs), where);
    const inner = field.shape.kind === "array" ? field.shape.item : field.shape;
    if (theirs[5] !== undefined) checkDefaults(inner, theirs[5], { path: where, max });
  }
}

function defaultOf({ shape }: FieldShape, [type, , , , fallback]: KafkaField): unknown {
  if (fallback === "null") return null;
  switch (shape.kind) {
    case "array":
      return [];
    case "struct":
      return Object.fromEntries(shape.fields.map((f) => [f.name, f.shape.kind === "int64" ? -1n : -1]));
    case "boolean":
      return fallback === "true";
    case "int64":
      return BigInt(fallback === "" ? 0 : fallback);
    case "uuid":
      return ZERO_UUID;
    case "string":
      // Kafka's null default is spelt out; without one a nullable text is empty, and we say null.
      return shape.nullable ? null : fallback;
    case "bytes":
      return Buffer.alloc(0);
    default:
      assert.ok(type.startsWith("int"), type);
      return Number(fallback === "" ? 0 : fallback);
  }
}

function within(versions: string, version: number): boolean {
  const [from, to] = rangeOf(versions);
  return version >= from && version <= to;
}

function rangeOf(versions: string): [number, number] {
  if (versions === "none") return [Number.POSITIVE_INFINITY, -1];
  if (versions.endsWith("+")) return [Number(versions.slice(0, -1)), Number.POSITIVE_INFINITY];
  const [from = "", to = from] = versions.split("-");
  return [Number(from), Number(to)];
}
