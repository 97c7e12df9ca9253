/** Objects of a bucket as AWS's client for Python sees them. */

import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { S3StoreOptions } from "../../src/adapters/s3/s3-options.ts";

const run = promisify(execFile);

const PYTHON = [join(import.meta.dirname, "../peers/python/bin/python3"), "python3"].find(
  (python) => spawnSync(python, ["-c", "import boto3"]).status === 0,
);

/** Lists page by page and reads each object whole; prints keys and SHA-256 as JSON. Secrets come by the environment. */
const SCRIPT = `
import boto3, botocore.config, hashlib, json, sys
endpoint, bucket, prefix = sys.argv[1:]
style = botocore.config.Config(s3={"addressing_style": "path"})
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=style)
found = {}
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
    for entry in page.get("Contents", []):
        body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        assert len(body) == entry["Size"]
        found[entry["Key"][len(prefix):]] = hashlib.sha256(body).hexdigest()
print(json.dumps(found))
`;

/** Why it cannot be used here, or undefined when it can; where `CI=true`, the reason is thrown. */
export function boto3Missing(): string | undefined {
  if (PYTHON !== undefined) return undefined;
  const reason = "python3 has no boto3 (pip install boto3)";
  if (process.env["CI"] === "true") throw new Error(reason);
  return reason;
}

/** SHA-256 of every object by its key below the prefix. */
export async function readByBoto3({
  endpoint = "",
  bucket,
  prefix,
  credentials,
}: S3StoreOptions): Promise<ReadonlyMap<string, string>> {
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: credentials?.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
  };
  const { stdout } = await run(PYTHON ?? "python3", ["-c", SCRIPT, endpoint, bucket, prefix], { env });
  return new Map(Object.entries(JSON.parse(stdout) as Record<string, string>));
}
