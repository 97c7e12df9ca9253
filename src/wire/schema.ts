/** Schema combinators: one definition per message for all its versions. Whether lengths are compact and where tagged
 *  fields end up is the combinators' business (KIP-482) and never visible in a schema. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { assertInvariant } from "../core/errors.ts";
import type { Reader, Writer } from "./buffers.ts";
import { WireError } from "./errors.ts";
import type { Shape } from "./shape.ts";

export { between, since, struct, tagged, until, type VersionedCodec } from "./struct.ts";

/** How a value of type `Out` is read, and anything of type `In` written. */
export interface Codec<Out, In = Out> {
  readonly write: (writer: Writer, value: In) => void;
  readonly read: (reader: Reader) => Out;
  readonly shape: Shape;
}

/** What reading yields. */
export type OutputOf<C> = C extends { readonly read: (reader: Reader) => infer Out } ? Out : never;
/** What writing accepts. */
export type InputOf<C> = C extends { readonly write: (writer: Writer, value: infer In) => void } ? In : never;

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
