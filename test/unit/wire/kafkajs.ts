/** kafkajs's inner modules, which have no types of their own, as far as the tests here use them. */

import { createRequire } from "node:module";
import type { KafkajsCodecFactory } from "../../../src/wire/compression/kafkajs.ts";

const load = createRequire(import.meta.url);

interface KafkajsEncoder {
  readonly buffer: Buffer;
}

/** What `requests/<api>` offers at one version. */
export interface KafkajsProtocol {
  readonly request: { readonly apiKey: number; readonly apiVersion: number; encode(): Promise<KafkajsEncoder> };
  readonly response: { decode(payload: Buffer): Promise<unknown> };
}

interface KafkajsApi {
  readonly versions: readonly (number | string)[];
  protocol(version: { readonly version: number | string }): (args: unknown) => KafkajsProtocol;
}

export interface KafkajsRecord {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | readonly Buffer[]>>;
}

export interface KafkajsError {
  readonly type: string;
  readonly code: number;
  readonly retriable: boolean;
}

/** The versions of an API that kafkajs knows. */
export function kafkajsVersions(folder: string): readonly number[] {
  return kafkajsApi(folder).versions.map(Number);
}

/** kafkajs's request and response at one version. */
export function kafkajsProtocol(folder: string, version: number, args: unknown): KafkajsProtocol {
  return kafkajsApi(folder).protocol({ version })(args);
}

/** A whole request frame as kafkajs sends it. */
export async function kafkajsFrame(request: KafkajsProtocol["request"], clientId: string): Promise<Buffer> {
  const frame = load("kafkajs/src/protocol/request.js") as (args: unknown) => Promise<KafkajsEncoder>;
  return (await frame({ correlationId: 9, clientId, request })).buffer;
}

/** Decodes one batch as kafkajs's consumer does. */
export async function kafkajsDecodeBatch(batch: Buffer): Promise<readonly KafkajsRecord[]> {
  const Decoder = load("kafkajs/src/protocol/decoder.js") as new (bytes: Buffer) => unknown;
  const decode = load("kafkajs/src/protocol/recordBatch/v0/decoder.js") as (
    decoder: unknown,
  ) => Promise<{ readonly records: readonly KafkajsRecord[] }>;
  const { records } = await decode(new Decoder(batch));
  return records.map(({ offset, timestamp, key, value, headers }) => ({ offset, timestamp, key, value, headers }));
}

/** Encodes one batch as kafkajs's producer does. */
export async function kafkajsEncodeBatch(
  records: readonly unknown[],
  facts: Readonly<Record<string, unknown>>,
): Promise<Buffer> {
  const record = load("kafkajs/src/protocol/recordBatch/record/v0/index.js") as (fields: unknown) => unknown;
  const { RecordBatch } = load("kafkajs/src/protocol/recordBatch/v0/index.js") as {
    RecordBatch: (fields: unknown) => Promise<KafkajsEncoder>;
  };
  return (await RecordBatch({ ...facts, records: records.map(record) })).buffer;
}

/** kafkajs's table of codecs, which is global to the process. */
export function kafkajsCodecs(): Record<number, KafkajsCodecFactory> {
  return (load("kafkajs") as { CompressionCodecs: Record<number, KafkajsCodecFactory> }).CompressionCodecs;
}

export function kafkajsErrors(): readonly KafkajsError[] {
  return (load("kafkajs/src/protocol/error.js") as { errorCodes: readonly KafkajsError[] }).errorCodes;
}

function kafkajsApi(folder: string): KafkajsApi {
  return load(`kafkajs/src/protocol/requests/${folder}/index.js`) as KafkajsApi;
}
