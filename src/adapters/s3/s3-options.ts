/** How an S3-compatible store is reached. */

/** What a topology says about a store, secrets resolved. */
export interface S3StoreOptions {
  readonly bucket: string;
  /** Put before every key; empty, or ending in `/`. */
  readonly prefix: string;
  /** Another server than AWS: `http://127.0.0.1:9000`. */
  readonly endpoint?: string | undefined;
  /** `us-east-1` where an endpoint is given and nothing else is said; otherwise what the environment says. */
  readonly region?: string | undefined;
  /** The bucket in the path instead of the host name; most servers other than AWS need it. Default: true with an endpoint. */
  readonly pathStyle?: boolean | undefined;
  /** PEM text of the authority that signed the server's certificate. */
  readonly ca?: string | undefined;
  /** Absent: the usual chain of environment, profile, container and instance. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

const URL_FORM = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;

/** Bucket and prefix of `s3://bucket/prefix`; undefined when it is no such URL. */
export function parseS3Url(url: string): { readonly bucket: string; readonly prefix: string } | undefined {
  const [, bucket, path = ""] = URL_FORM.exec(url) ?? [];
  if (bucket === undefined) return undefined;
  const parts = path.split("/").filter((part) => part !== "");
  if (parts.some((part) => part === "." || part === "..")) return undefined;
  return { bucket, prefix: parts.length === 0 ? "" : `${parts.join("/")}/` };
}

/** `s3://bucket/prefix`, for messages. */
export function s3Location({ bucket, prefix }: Pick<S3StoreOptions, "bucket" | "prefix">): string {
  return `s3://${bucket}/${prefix}`;
}
