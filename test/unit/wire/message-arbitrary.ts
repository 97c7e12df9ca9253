/** Generated values for any schema at any version. */

import fc from "fast-check";
import type { Api } from "../../../src/wire/api.ts";
import { ALL_APIS } from "../../../src/wire/apis.ts";
import type { Shape } from "../../../src/wire/shape.ts";

/** An API whose messages are plain data, as the generators make them. */
export type UntypedApi = Api<unknown, unknown, unknown, unknown>;

/** Every API at every version. */
export const API_VERSIONS: readonly { readonly api: UntypedApi; readonly version: number }[] = [
  ...ALL_APIS.values(),
].flatMap((api) => {
  const [min, max] = api.versions;
  return Array.from({ length: max - min + 1 }, (_, i) => ({ api: api as unknown as UntypedApi, version: min + i }));
});

/** Values of the shape with exactly the fields that the version has. */
export function arbitraryOf(shape: Shape, version: number): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "int8":
      return fc.integer({ min: -0x80, max: 0x7f });
    case "int16":
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case "int32":
      return fc.integer({ min: -0x80000000, max: 0x7fffffff });
    case "int64":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case "float64":
      return fc.double({ noNaN: true });
    case "boolean":
      return fc.boolean();
    case "uuid":
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("base64url"));
    case "string":
      return maybeNull(fc.string({ unit: "binary", maxLength: 12 }), shape.nullable);
    case "bytes":
      return maybeNull(arbitraryBytes, shape.nullable);
    case "array":
      return maybeNull(fc.array(arbitraryOf(shape.item, version), { maxLength: 3 }), shape.nullable);
    case "nullable":
      return maybeNull(arbitraryOf(shape.item, version), true);
    case "struct": {
      const present = shape.fields.filter(({ from, to }) => version >= from && version <= to);
      return fc.record(Object.fromEntries(present.map((f) => [f.name, arbitraryOf(f.shape, version)])), {
        noNullPrototype: true,
      });
    }
  }
}

/** The value as it is read back: fields that the version lacks are there with their defaults. */
export function completed(shape: Shape, version: number, value: unknown): unknown {
  if (value === null) return null;
  if (shape.kind === "array") return (value as readonly unknown[]).map((item) => completed(shape.item, version, item));
  if (shape.kind === "nullable") return completed(shape.item, version, value);
  if (shape.kind !== "struct") return value;
  const source = value as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    shape.fields.map((f) => [
      f.name,
      version >= f.from && version <= f.to ? completed(f.shape, version, source[f.name]) : f.absent,
    ]),
  );
}

/** Mostly short; some above the size from which the writer hands bytes on without a copy. */
const arbitraryBytes: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 9, arbitrary: fc.uint8Array({ maxLength: 16 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.nat(0xff).map((byte) => Buffer.alloc(5000, byte)) },
);

function maybeNull(values: fc.Arbitrary<unknown>, nullable: boolean): fc.Arbitrary<unknown> {
  return nullable ? fc.option(values, { nil: null }) : values;
}

/** Damage: bytes overwritten, cut off, put in, or added. */
export function arbitraryDamage(bytes: Buffer): fc.Arbitrary<Buffer> {
  const place = fc.nat(Math.max(bytes.length - 1, 0));
  const byte = fc.oneof(fc.nat(0xff), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff));
  return fc.oneof(
    place.map((end) => Buffer.from(bytes.subarray(0, end))),
    fc.tuple(place, byte).map(([at, value]) => {
      const copy = Buffer.from(bytes);
      if (at < copy.length) copy[at] = value;
      return copy;
    }),
    fc.tuple(place, fc.integer({ min: -0x80000000, max: 0x7fffffff })).map(([at, value]) => {
      const copy = Buffer.from(bytes);
      if (at + 4 <= copy.length) copy.writeInt32BE(value, at);
      return copy;
    }),
    fc
      .tuple(place, fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([at, extra]) => Buffer.concat([bytes.subarray(0, at), extra, bytes.subarray(at)])),
    fc.uint8Array({ maxLength: 64 }).map((noise) => Buffer.from(noise)),
  );
}
