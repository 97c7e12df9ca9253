/** One API of the Kafka protocol: key, versions, request and response, and how they are framed. */

import { Reader, Writer } from "./buffers.ts";
import { WireError } from "./errors.ts";
import { type Codec, nullableString } from "./schema.ts";

/** Key of ApiVersions, whose response header is always version 0 (KIP-511). */
const API_VERSIONS_KEY = 18;

/** A definition that serves every version from `versions[0]` to `versions[1]`. */
export interface Api<RequestOut = unknown, RequestIn = never, ResponseOut = unknown, ResponseIn = never> {
  readonly key: number;
  readonly name: string;
  /** First and last version defined here. */
  readonly versions: readonly [min: number, max: number];
  /** First version with compact lengths and tagged fields; Infinity when none. */
  readonly flexibleFrom: number;
  readonly request: Codec<RequestOut, RequestIn>;
  readonly response: Codec<ResponseOut, ResponseIn>;
}

/** What a client passes as the body of a request. */
export type RequestInput<A> = A extends { readonly request: Codec<infer _O, infer I> } ? I : never;
/** What a broker reads from a request. */
export type RequestOutput<A> = A extends { readonly request: Codec<infer O, infer _I> } ? O : never;
/** What a broker passes as the body of a response. */
export type ResponseInput<A> = A extends { readonly response: Codec<infer _O, infer I> } ? I : never;
/** What a client reads from a response. */
export type ResponseOutput<A> = A extends { readonly response: Codec<infer O, infer _I> } ? O : never;

/** Declares an API; the types of its messages are inferred from the schemas. */
export function defineApi<RO, RI, SO, SI>(api: Api<RO, RI, SO, SI>): Api<RO, RI, SO, SI> {
  return api;
}

/** What precedes every request's body. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** A whole request frame, its length included, as parts to be sent in order.
 *  @throws {WireError} when the version is not defined or cannot carry a given field. */
export function encodeRequest<RI>(
  api: Api<unknown, RI, unknown, never>,
  header: Omit<RequestHeader, "apiKey">,
  body: RI,
): Uint8Array[] {
  const flexible = checkVersion(api, header.apiVersion);
  const writer = new Writer(header.apiVersion, flexible);
  writer.int16(api.key);
  writer.int16(header.apiVersion);
  writer.int32(header.correlationId);
  writeClientId(writer, header.clientId);
  if (flexible) writer.uvarint(0);
  api.request.write(writer, body);
  return framed(writer);
}

/** Reads the header of a request frame (without its length prefix); the reader then stands at the body.
 *  Flexibility of the body depends on the API, so the body's reader is made by `decodeRequest`. */
export function decodeRequestHeader(frame: Uint8Array): { readonly header: RequestHeader; readonly bodyStart: number } {
  const reader = new Reader(frame);
  const apiKey = reader.int16();
  const apiVersion = reader.int16();
  const correlationId = reader.int32();
  const clientId = nullableString.read(reader);
  return { header: { apiKey, apiVersion, correlationId, clientId }, bodyStart: reader.position };
}

/** Reads a request's body. Bytes after its fields are ignored, as Kafka's brokers do: librdkafka 2.x sends three too many
 *  when it asks for all topics. @throws {WireError} malformed or truncated */
export function decodeRequest<RO>(
  api: Api<RO, never, unknown, never>,
  apiVersion: number,
  frame: Uint8Array,
  bodyStart: number,
): RO {
  const flexible = checkVersion(api, apiVersion);
  const reader = new Reader(frame.subarray(bodyStart), apiVersion, flexible);
  if (flexible) skipTags(reader);
  return api.request.read(reader);
}

/** A whole response frame, its length included. */
export function encodeResponse<SI>(
  api: Api<unknown, never, unknown, SI>,
  header: { readonly apiVersion: number; readonly correlationId: number },
  body: SI,
): Uint8Array[] {
  const flexible = checkVersion(api, header.apiVersion);
  const writer = new Writer(header.apiVersion, flexible);
  writer.int32(header.correlationId);
  if (flexible && api.key !== API_VERSIONS_KEY) writer.uvarint(0);
  api.response.write(writer, body);
  return framed(writer);
}

/** The correlation id of a response frame (without its length prefix). */
export function correlationIdOf(frame: Uint8Array): number {
  return new Reader(frame).int32();
}

/** Reads a response frame (without its length prefix). @throws {WireError} malformed, truncated, or with bytes left over. */
export function decodeResponse<SO>(api: Api<unknown, never, SO, never>, apiVersion: number, frame: Uint8Array): SO {
  const flexible = checkVersion(api, apiVersion);
  const reader = new Reader(frame, apiVersion, flexible);
  reader.int32();
  if (flexible && api.key !== API_VERSIONS_KEY) skipTags(reader);
  const body = api.response.read(reader);
  refuseLeftover(reader);
  return body;
}

/** Whether a version of the API uses compact lengths and tags. @throws {WireError} `WIRE_UNSUPPORTED_VERSION` */
function checkVersion(api: Pick<Api, "name" | "versions" | "flexibleFrom">, version: number): boolean {
  const [min, max] = api.versions;
  if (version < min || version > max)
    throw new WireError({ code: "WIRE_UNSUPPORTED_VERSION", api: api.name, version, min, max });
  return version >= api.flexibleFrom;
}

/** The client id is an int16 string in every header version, flexible ones too. */
function writeClientId(writer: Writer, clientId: string | null): void {
  const lengthBytes = clientId === null ? -1 : Buffer.byteLength(clientId);
  writer.int16(lengthBytes);
  if (clientId !== null) writer.utf8(clientId, lengthBytes);
}

function skipTags(reader: Reader): void {
  const count = reader.uvarint();
  for (let i = 0; i < count; i++) {
    reader.uvarint();
    reader.raw(reader.uvarint());
  }
}

function framed(writer: Writer): Uint8Array[] {
  const length = Buffer.allocUnsafe(4);
  length.writeInt32BE(writer.sizeBytes);
  return [length, ...writer.parts()];
}

function refuseLeftover(reader: Reader): void {
  if (reader.leftBytes > 0) throw new WireError({ code: "WIRE_LEFTOVER", leftBytes: reader.leftBytes });
}
