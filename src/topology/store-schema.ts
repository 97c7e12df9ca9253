/** Where cold segments go, as a topology says it: a directory, or a bucket with what it takes to reach it. */

import * as z from "zod";
import { referenceProblem } from "./references.ts";

/** How an S3-compatible store is reached; texts may hold references, resolved where the store is opened. */
export interface S3Access {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly pathStyle?: boolean | undefined;
  /** A PEM file's path, or its text by reference. */
  readonly ca?: string | undefined;
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

/** A store: its URL, and for `s3://` how to reach it. */
export interface StoreDeclaration {
  readonly store: string;
  readonly s3?: S3Access | undefined;
}

const BUCKET_URL = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/|$)/;

const text = z.string().superRefine((value, context) => {
  const problem = referenceProblem(value);
  if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
});

const url = text.superRefine((value, context) => {
  const isFile = value.startsWith("file://") && value.length > "file://".length;
  if (isFile || BUCKET_URL.test(value) || value.includes("${")) return;
  const message = `store "${value}" is not supported; write file://path or s3://bucket/prefix`;
  context.addIssue({ code: "custom", message, params: { code: "unsupported" } });
});

const bucket = z
  .strictObject({
    s3: url.describe("s3://bucket/prefix"),
    endpoint: text.optional().describe("Another server than AWS, for example http://minio:9000."),
    region: text.optional(),
    pathStyle: z
      .boolean()
      .optional()
      .describe("The bucket in the path, not in the host name. Default: with an endpoint."),
    ca: text.optional().describe("PEM text of the authority behind the server's certificate: \u0024{file:path}."),
    accessKeyId: text.optional().describe("Absent: the usual chain of environment, profile, container and instance."),
    secretAccessKey: text.optional(),
  })
  .refine(({ accessKeyId, secretAccessKey }) => (accessKeyId === undefined) === (secretAccessKey === undefined), {
    message: "accessKeyId and secretAccessKey belong together; write both, or neither for the usual chain",
  });

/** The value of `store:`. */
export const storeSchema = z.union([url, bucket]).transform((value): StoreDeclaration => {
  if (typeof value === "string") return value.startsWith("s3://") ? { store: value, s3: {} } : { store: value };
  const { s3: store, ...s3 } = value;
  return { store, s3 };
});
