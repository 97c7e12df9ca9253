/** Schema combinators: one definition per message for all its versions. Whether lengths are compact and where tagged
 *  fields end up is the combinators' business (KIP-482) and never visible in a schema. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { assertInvariant } from "../core/errors.ts";
import { type Reader, Writer } from "./buffers.ts";
import { WireError } from "./errors.ts";

/** What a codec's values look like, as data: for tests, comparisons with other definitions, and dumps. */
export type Shape =
  | { readonly kind: "int8" | "int16" | "int32" | "int64" | "float64" | "boolean" | "uuid" }
  | { readonly kind: "string" | "bytes"; readonly nullable: boolean }
  | { readonly kind: "array"; readonly nullable: boolean; readonly item: Shape }
  | { readonly kind: "nullable"; readonly item: Shape }
  | { readonly kind: "struct"; readonly fields: readonly FieldShape[] };

/** One field of a struct: its versions, its value where it is absent, and its tag if it travels in the tagged section. */
export interface FieldShape {
  readonly name: string;
  readonly shape: Shape;
  readonly from: number;
  readonly to: number;
  readonly tag: number | undefined;
  readonly absent: unknown;
  readonly ignorable: boolean;
}

/** How a value of type `Out` is read, and anything of type `In` written. */
export interface Codec<Out, In = Out> {
  readonly write: (writer: Writer, value: In) => void;
  readonly read: (reader: Reader) => Out;
  readonly shape: Shape;
}

/** A field of a struct that some versions lack; `absent` is its value there and may be left out when writing. */
export interface VersionedCodec<Out, In = Out> extends Codec<Out, In> {
  readonly absent: Out;
  readonly from: number;
  readonly to: number;
  /** Set when the field travels in the tagged section. */
  readonly tag: number | undefined;
  /** A dropped value is no error in versions that lack the field. */
  readonly ignorable: boolean;
}

// biome-ignore lint/suspicious/noExplicitAny: a constraint that every codec satisfies has to be variance-free
type AnyCodec = Codec<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyVersioned = VersionedCodec<any, any>;

/** What reading yields. */
export type OutputOf<C> = C extends { readonly read: (reader: Reader) => infer Out } ? Out : never;
/** What writing accepts. */
export type InputOf<C> = C extends { readonly write: (writer: Writer, value: infer In) => void } ? In : never;

type Fields = Readonly<Record<string, AnyCodec>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends AnyVersioned ? K : never }[keyof F];
type StructOut<F extends Fields> = { readonly [K in keyof F]: OutputOf<F[K]> };
type StructIn<F extends Fields> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: InputOf<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: InputOf<F[K]> | undefined;
};

export const int8: Codec<number> = { write: (w, v) => w.int8(v), read: (r) => r.int8(), shape: { kind: "int8" } };
export const int16: Codec<number> = { write: (w, v) => w.int16(v), read: (r) => r.int16(), shape: { kind: "int16" } };
export const int32: Codec<number> = { write: (w, v) => w.int32(v), read: (r) => r.int32(), shape: { kind: "int32" } };
export const int64: Codec<bigint> = { write: (w, v) => w.int64(v), read: (r) => r.int64(), shape: { kind: "int64" } };
export const float64: Codec<number> = {
  write: (w, v) => w.float64(v),
  read: (r) => r.float64(),
  shape: { kind: "float64" },
};
export const boolean: Codec<boolean> = {
  write: (w, v) => w.int8(v ? 1 : 0),
  read: (r) => r.int8() !== 0,
  shape: { kind: "boolean" },
};

/** 16 bytes, shown as Kafka shows them. */
export const uuid: Codec<Uuid> = {
  write: (w, v) => {
    const raw = v === ZERO_UUID ? ZERO_UUID_BYTES : Buffer.from(v, "base64url");
    assertInvariant(raw.length === 16, "a uuid has 16 bytes", { uuid: v });
    w.raw(raw);
  },
  read: (r) => r.raw(16).toString("base64url") as Uuid,
  shape: { kind: "uuid" },
};
const ZERO_UUID_BYTES = Buffer.alloc(16);

/** Text that may be null. */
export const nullableString: Codec<string | null> = {
  write: (w, v) => {
    if (v === null) {
      writeNull(w, 2);
      return;
    }
    const lengthBytes = Buffer.byteLength(v);
    if (w.flexible) w.uvarint(lengthBytes + 1);
    else {
      if (lengthBytes > 0x7fff)
        throw new WireError({ code: "WIRE_BAD_LENGTH", what: "string", length: lengthBytes, limit: 0x7fff });
      w.int16(lengthBytes);
    }
    w.utf8(v, lengthBytes);
  },
  read: (r) => {
    const length = r.flexible ? r.uvarint() - 1 : r.int16();
    return isNull(length, "string") ? null : r.utf8(length);
  },
  shape: { kind: "string", nullable: true },
};

/** Text that may not be null. */
export const string: Codec<string> = {
  write: nullableString.write,
  read: (r) => notNull(nullableString.read(r), "string"),
  shape: { kind: "string", nullable: false },
};

/** Bytes that may be null; reading gives a view into the frame. Record batches use this too. */
export const nullableBytes: Codec<Buffer | null, Uint8Array | null> = {
  write: (w, v) => {
    if (v === null) {
      writeNull(w, 4);
      return;
    }
    if (w.flexible) w.uvarint(v.byteLength + 1);
    else w.int32(v.byteLength);
    w.raw(v);
  },
  read: (r) => {
    const length = r.flexible ? r.uvarint() - 1 : r.int32();
    return isNull(length, "bytes") ? null : r.raw(length);
  },
  shape: { kind: "bytes", nullable: true },
};

/** Bytes that may not be null. */
export const bytes: Codec<Buffer, Uint8Array> = {
  write: nullableBytes.write,
  read: (r) => notNull(nullableBytes.read(r), "bytes"),
  shape: { kind: "bytes", nullable: false },
};

/** A list that may be null. A count that cannot fit in the bytes left is refused before anything is allocated. */
export function nullableArray<Out, In>(item: Codec<Out, In>): Codec<readonly Out[] | null, readonly In[] | null> {
  return {
    write: (w, v) => {
      if (v === null) {
        writeNull(w, 4);
        return;
      }
      if (w.flexible) w.uvarint(v.length + 1);
      else w.int32(v.length);
      for (const element of v) item.write(w, element);
    },
    read: (r) => {
      const count = r.flexible ? r.uvarint() - 1 : r.int32();
      if (isNull(count, "array")) return null;
      r.takeElements(count);
      const result: Out[] = [];
      for (let i = 0; i < count; i++) result.push(item.read(r));
      return result;
    },
    shape: { kind: "array", nullable: true, item: item.shape },
  };
}

/** A list that may not be null. */
export function array<Out, In>(item: Codec<Out, In>): Codec<readonly Out[], readonly In[]> {
  const inner = nullableArray(item);
  return {
    write: inner.write,
    read: (r) => notNull(inner.read(r), "array"),
    shape: { kind: "array", nullable: false, item: item.shape },
  };
}

/** A struct that may be null: one byte, -1 or 1, before it. */
export function nullable<Out, In>(inner: Codec<Out, In>): Codec<Out | null, In | null> {
  return {
    write: (w, v) => {
      w.int8(v === null ? -1 : 1);
      if (v !== null) inner.write(w, v);
    },
    read: (r) => (r.int8() < 0 ? null : inner.read(r)),
    shape: { kind: "nullable", item: inner.shape },
  };
}

/** A field that exists from `version` on. */
export function since<Out, In>(
  version: number,
  inner: Codec<Out, In>,
  absent: Out,
  options: { readonly ignorable?: boolean } = {},
): VersionedCodec<Out, In> {
  return versioned(inner, {
    from: version,
    to: Number.MAX_SAFE_INTEGER,
    absent,
    tag: undefined,
    ignorable: options.ignorable ?? false,
  });
}

/** A field that exists up to `version`, that one included. */
export function until<Out, In>(
  version: number,
  inner: Codec<Out, In>,
  absent: Out,
  options: { readonly ignorable?: boolean } = {},
): VersionedCodec<Out, In> {
  return versioned(inner, { from: 0, to: version, absent, tag: undefined, ignorable: options.ignorable ?? false });
}

/** A field of the versions `from` to `to`, both included. */
export function between<Out, In>(
  from: number,
  to: number,
  inner: Codec<Out, In>,
  absent: Out,
  options: { readonly ignorable?: boolean } = {},
): VersionedCodec<Out, In> {
  return versioned(inner, { from, to, absent, tag: undefined, ignorable: options.ignorable ?? false });
}

/** A tagged field: sent only when it differs from `absent`. Always ignorable. */
export function tagged<Out, In>(
  tag: number,
  version: number,
  inner: Codec<Out, In>,
  absent: Out,
): VersionedCodec<Out, In> {
  return versioned(inner, { from: version, to: Number.MAX_SAFE_INTEGER, absent, tag, ignorable: true });
}

/** Fields in the order of the wire. In flexible versions a section of tagged fields ends it; unknown tags are skipped. */
export function struct<F extends Fields>(fields: F): Codec<StructOut<F>, StructIn<F>> {
  const all = Object.entries(fields).map(([name, codec]) => ({
    name,
    codec,
    when: isVersioned(codec) ? codec : undefined,
  }));
  const plain = all.filter((field) => field.when?.tag === undefined);
  // Tags go out in ascending order.
  const tags = all
    .filter((field) => field.when?.tag !== undefined)
    .sort((a, b) => (a.when?.tag ?? 0) - (b.when?.tag ?? 0));
  const write = (w: Writer, value: StructIn<F>): void => {
    const source = value as Readonly<Record<string, unknown>>;
    for (const { name, codec, when } of plain) {
      const given = source[name];
      if (when === undefined) codec.write(w, given);
      else if (w.version < when.from || w.version > when.to) refuseDropped(name, given, when, w.version);
      else codec.write(w, given === undefined ? when.absent : given);
    }
    if (w.flexible) writeTags(w, tags, source);
  };
  const read = (r: Reader): StructOut<F> => {
    const result: Record<string, unknown> = {};
    for (const { name, codec, when } of plain) {
      result[name] = when !== undefined && (r.version < when.from || r.version > when.to) ? when.absent : codec.read(r);
    }
    for (const { name, when } of tags) result[name] = when?.absent;
    if (r.flexible) readTags(r, tags, result);
    return result as StructOut<F>;
  };
  return { write, read, shape: { kind: "struct", fields: all.map(fieldShape) } };
}

function fieldShape({ name, codec, when }: StructField): FieldShape {
  return {
    name,
    shape: codec.shape,
    from: when?.from ?? 0,
    to: when?.to ?? Number.MAX_SAFE_INTEGER,
    tag: when?.tag,
    absent: when?.absent,
    ignorable: when?.ignorable ?? false,
  };
}

interface StructField {
  readonly name: string;
  readonly codec: AnyCodec;
  readonly when: AnyVersioned | undefined;
}

function writeTags(w: Writer, tags: readonly StructField[], source: Readonly<Record<string, unknown>>): void {
  const present = tags.filter(
    ({ name, when }) => when !== undefined && w.version >= when.from && !isAbsent(source[name], when.absent),
  );
  w.uvarint(present.length);
  for (const { name, codec, when } of present) {
    const body = new Writer(w.version, true);
    codec.write(body, source[name]);
    w.uvarint(when?.tag ?? 0);
    w.uvarint(body.sizeBytes);
    w.raw(body.bytes());
  }
}

function readTags(r: Reader, tags: readonly StructField[], result: Record<string, unknown>): void {
  const count = r.uvarint();
  for (let i = 0; i < count; i++) {
    const tag = r.uvarint();
    const sizeBytes = r.uvarint();
    const known = tags.find(({ when }) => when?.tag === tag && r.version >= when.from);
    if (known === undefined) r.raw(sizeBytes);
    else result[known.name] = r.within(sizeBytes, known.codec.read);
  }
}

function versioned<Out, In>(
  inner: Codec<Out, In>,
  facts: Omit<VersionedCodec<Out, In>, "read" | "write" | "shape">,
): VersionedCodec<Out, In> {
  return { write: inner.write, read: inner.read, shape: inner.shape, ...facts };
}

function isVersioned(codec: AnyCodec): codec is AnyVersioned {
  return "absent" in codec;
}

function refuseDropped(field: string, given: unknown, when: AnyVersioned, version: number): void {
  if (when.ignorable || isAbsent(given, when.absent)) return;
  throw new WireError({ code: "WIRE_FIELD_DROPPED", field, version });
}

/** Whether a given value says no more than the field's absence: the default itself, an empty list, or a struct of defaults. */
function isAbsent(given: unknown, absent: unknown): boolean {
  if (given === undefined || given === absent) return true;
  if (Array.isArray(given)) return given.length === 0 && Array.isArray(absent) && absent.length === 0;
  if (!isRecord(given) || !isRecord(absent)) return false;
  return Object.keys(absent).every((key) => given[key] === absent[key]);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function writeNull(w: Writer, lengthBytes: 2 | 4): void {
  if (w.flexible) w.uvarint(0);
  else if (lengthBytes === 2) w.int16(-1);
  else w.int32(-1);
}

/** -1 stands for null; anything below is no length at all. */
function isNull(length: number, what: string): boolean {
  if (length >= 0) return false;
  if (length !== -1) throw new WireError({ code: "WIRE_BAD_LENGTH", what, length, limit: 0x7fffffff });
  return true;
}

function notNull<T>(value: T | null, what: string): T {
  if (value === null) throw new WireError({ code: "WIRE_NULL", what });
  return value;
}
