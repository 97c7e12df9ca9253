/** Our codecs as kafkajs's `CompressionCodecs` wants them. */

import type { Compression } from "./codec.ts";
import { CODECS } from "./codecs.ts";

/** One codec as kafkajs wants it: `compress` gets kafkajs's Encoder, whose bytes are in `buffer`. */
export interface KafkajsCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/** What kafkajs keeps in `CompressionCodecs[type]`. */
export type KafkajsCodecFactory = () => KafkajsCodec;

function toKafkajsCodec(codec: Compression): KafkajsCodecFactory {
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
