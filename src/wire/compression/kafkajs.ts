/** Bridges between our codecs and kafkajs's `CompressionCodecs`, in both directions. */

import { type CodecId, type Compression, DEFAULT_DECOMPRESSED_BYTES_MAX, overLimit } from "./codec.ts";
import { CODECS } from "./codecs.ts";

/** One codec as kafkajs wants it: `compress` gets kafkajs's Encoder, whose bytes are in `buffer`. */
export interface KafkajsCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/** What kafkajs keeps in `CompressionCodecs[type]`. */
export type KafkajsCodecFactory = () => KafkajsCodec;

/** A codec that takes its time, as those made for kafkajs do. */
export interface AsyncCompression {
  readonly id: CodecId;
  compress(bytes: Uint8Array): Promise<Buffer>;
  /** @throws {WireError} `WIRE_BAD_COMPRESSION` */
  decompress(bytes: Uint8Array, limitBytes?: number): Promise<Buffer>;
}

/** Our codec for kafkajs: `CompressionCodecs[CompressionTypes.Snappy] = toKafkajsCodec(codecFor(2))`. */
export function toKafkajsCodec(codec: Compression): KafkajsCodecFactory {
  const bridged: KafkajsCodec = {
    compress: async ({ buffer }) => codec.compress(buffer),
    decompress: async (buffer) => codec.decompress(buffer),
  };
  return () => bridged;
}

/** Plugs every codec into kafkajs's table: `installInto(CompressionCodecs)` makes a stock client read and write them. */
export function installInto(kafkajsCodecs: Record<number, KafkajsCodecFactory>): void {
  for (const codec of CODECS) {
    if (codec.id !== 0) kafkajsCodecs[codec.id] = toKafkajsCodec(codec);
  }
}

/** A codec made for kafkajs, for our records. It cannot be stopped half way, so its limit is checked afterwards. */
export function fromKafkajsCodec(id: CodecId, factory: KafkajsCodecFactory): AsyncCompression {
  const codec = factory();
  return {
    id,
    compress: (bytes) => codec.compress({ buffer: toBuffer(bytes) }),
    decompress: async (bytes, limitBytes = DEFAULT_DECOMPRESSED_BYTES_MAX) => {
      const result = await codec.decompress(toBuffer(bytes));
      if (result.length > limitBytes) throw overLimit(CODECS[id]?.name ?? "none", limitBytes);
      return result;
    },
  };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
