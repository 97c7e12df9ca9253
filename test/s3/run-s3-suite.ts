/** The archive on real S3-compatible servers. Run with `npm run test:s3`; prints the totals of node:test. */

import "./archives.ts";
import "./bad-stores.ts";
import "./full-disks.ts";
import "./killed-writers.ts";
import "./region.ts";
import "./restore.ts";
import "./serve.ts";
import "./store.ts";
import "./upkeep.ts";
