/** The upkeep of an archive in a directory; the suite on object stores does the same there. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openFsStore } from "../../src/adapters/fs-store.ts";
import { keepsAndMendsArchives } from "../support/archive-upkeep.ts";

test("an archive in a directory is scrubbed, mended, cut by retention and collected", async () => {
  const root = mkdtempSync(join(tmpdir(), "tier-upkeep-"));
  using _removed = { [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) };
  await keepsAndMendsArchives(await openFsStore(root));
});
