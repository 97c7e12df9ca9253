/** Regions whose cold segments lie in real buckets. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hasFaultCode } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { RegionProcess } from "../../src/runtime/region-process.ts";
import type { S3Access } from "../../src/topology/store-schema.ts";
import { newBucket } from "./buckets.ts";
import { specWith } from "./region-spec.ts";
import { SERVERS } from "./shared-servers.ts";

const timeout = 120_000;

for (const { name, skip, get: server } of SERVERS) {
  test(`region does not start with keys that ${name} refuses, and starts while it is away`, {
    skip,
    timeout,
  }, async () => {
    const { bucket, endpoint, credentials } = await newBucket(await server());
    const root = mkdtempSync(join(tmpdir(), "tier-s3-"));
    using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
    const url = `s3://${bucket}/cold`;
    const keys = { accessKeyId: credentials?.accessKeyId, secretAccessKey: "\u0024{env:TIER_SECRET}" };
    process.env["TIER_SECRET"] = "wrong";
    const open = (s3: S3Access) =>
      RegionProcess.open(specWith(root, url, s3), { logger: silentLogger, onShutdown: () => {} });
    await assert.rejects(open({ ...keys, endpoint }), (error) => hasFaultCode(error, "STORE_DENIED"));
    process.env["TIER_SECRET"] = credentials?.secretAccessKey;
    await using away = await open({ ...keys, endpoint: "http://127.0.0.1:1" });
    assert.equal(away.record.brokers.length, 1);
    await away.close();
    await using there = await open({ ...keys, endpoint });
    assert.equal(there.record.brokers.length, 1);
  });
}
