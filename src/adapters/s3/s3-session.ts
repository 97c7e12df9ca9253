/** A connection to one bucket, through the SDK, which is loaded here. */

import type { S3Client } from "@aws-sdk/client-s3";
import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { crc32c } from "../../wire/crc32c.ts";
import { Slots } from "../slots.ts";
import { ReusingHttpAgent, ReusingHttpsAgent } from "./s3-agent.ts";
import { S3Calls } from "./s3-calls.ts";
import { type S3StoreOptions, s3Location } from "./s3-options.ts";

/** Below it servers of AWS's kind refuse the chunks of a streamed body. */
const STREAM_BUFFER_BYTES = 64 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;
/** Parts of uploads in memory at once, of all uploads together: 32 MiB. */
const PARTS_MAX = 4;
/** Connections kept open; more requests than the adaptive limit allows never run. */
const SOCKETS_MAX = 32;

/** What a store stands on. */
export interface S3Deps {
  readonly clock: Clock;
  readonly random: Random;
}

/** The SDK, the client and the way requests are sent. */
export interface S3Session {
  readonly sdk: typeof import("@aws-sdk/client-s3");
  readonly client: S3Client;
  readonly calls: S3Calls;
  /** Whoever has a part of an upload in memory holds one. */
  readonly parts: Slots;
  readonly bucket: string;
  readonly location: string;
}

/** Does no request. */
export async function openSession(options: S3StoreOptions, deps: S3Deps): Promise<S3Session> {
  const sdk = await import("@aws-sdk/client-s3");
  const { endpoint, ca, credentials, bucket } = options;
  const region = options.region ?? (endpoint === undefined ? undefined : "us-east-1");
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  const client = new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: options.pathStyle ?? endpoint !== undefined,
    // Checksums are given with each object; those that the SDK adds by itself are refused by older servers.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    // Nobody has to ask before each part whether it may come.
    expectContinueHeader: false,
    requestStreamBufferSize: STREAM_BUFFER_BYTES,
    // Attempts are counted, spaced and limited in S3Calls.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      httpAgent: new ReusingHttpAgent(agent),
      httpsAgent: new ReusingHttpsAgent(ca === undefined ? agent : { ...agent, ca }),
    },
  });
  signChecksumsOnly(client);
  return {
    sdk,
    client,
    calls: new S3Calls(deps, serverOf(endpoint)),
    parts: new Slots(PARTS_MAX),
    bucket,
    location: s3Location(options),
  };
}

/** Scheme, host and port alone, since messages tell it. */
function serverOf(endpoint: string | undefined): string | undefined {
  return endpoint !== undefined && URL.canParse(endpoint) ? new URL(endpoint).origin : undefined;
}

/** What is sent with a CRC-32C, which is signed with the other headers, needs no SHA-256 too: that takes both sides more time
 *  than anything else about an upload. */
function signChecksumsOnly(client: S3Client): void {
  const options = { step: "build", name: "signChecksumsOnly" } as const;
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers = {} } = args.request as { readonly headers?: Record<string, string> };
      if (headers["x-amz-checksum-crc32c"] !== undefined) headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
      return next(args);
    },
    options,
  );
}

/** The CRC-32C of an object as S3 writes it: base64 of the big-endian number. */
export function crc32cText(bytes: Uint8Array): string {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(crc32c(bytes));
  return buffer.toString("base64");
}
