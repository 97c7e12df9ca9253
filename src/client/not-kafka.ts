/** Tells from the first bytes of a peer that it speaks something other than Kafka, and what. */

import type { Endpoint } from "../core/network.ts";
import { WireError } from "../wire/errors.ts";
import { ClientError, endpointText } from "./errors.ts";

/** A frame decoder's error on the very first frame, as an error that names the likely cause. */
export function notKafka(endpoint: Endpoint, cause: Error): ClientError {
  const place = endpointText(endpoint);
  const first = firstBytes(cause);
  const saw = first === undefined ? cause.message : printable(first);
  return new ClientError(
    { code: "CLIENT_NOT_KAFKA", endpoint: place, saw },
    { message: `${place} does not speak Kafka: ${likelyCause(first, saw)}`, cause },
  );
}

/** The first four bytes, which were taken for a frame's length. */
function firstBytes(cause: Error): Buffer | undefined {
  if (!(cause instanceof WireError)) return undefined;
  const { fault } = cause;
  const bytes = Buffer.alloc(4);
  if (fault.code === "WIRE_FRAME_TOO_LARGE") bytes.writeInt32BE(fault.frameBytes);
  else if (fault.code === "WIRE_BAD_LENGTH") bytes.writeInt32BE(fault.length);
  else return undefined;
  return bytes;
}

function likelyCause(first: Buffer | undefined, saw: string): string {
  if (saw === "HTTP") return "an HTTP server listens there, check the port";
  if (saw === "SSH-") return "an SSH server listens there, check the port";
  // A TLS alert or handshake record: type 21 or 22, version 3.x.
  if (first !== undefined && (first[0] === 21 || first[0] === 22) && first[1] === 3)
    return "it expects TLS, write tls: true for the region";
  return `its answer begins with "${saw}", check the port`;
}

function printable(bytes: Buffer): string {
  return /^[\x20-\x7e]+$/.test(bytes.toString("latin1")) ? bytes.toString("latin1") : `0x${bytes.toString("hex")}`;
}
