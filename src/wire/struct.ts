/** Structs: fields that come and go with versions, and the tagged section behind them. */

import { type Reader, Writer } from "./buffers.ts";
import { WireError } from "./errors.ts";
import type { Codec, InputOf, OutputOf } from "./schema.ts";
import type { FieldShape } from "./shape.ts";

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

type Fields = Readonly<Record<string, AnyCodec>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends AnyVersioned ? K : never }[keyof F];
type StructOut<F extends Fields> = { readonly [K in keyof F]: OutputOf<F[K]> };
type StructIn<F extends Fields> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: InputOf<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: InputOf<F[K]> | undefined;
};

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
