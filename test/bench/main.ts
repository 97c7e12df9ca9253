/** Prints what things cost beside a peer measured in the same run: `npm run bench [-- NAME...]`. */

import { benchForward } from "./forward.bench.ts";
import { benchLanes } from "./lanes.bench.ts";
import { benchLongLink } from "./longlink.bench.ts";
import { benchScrape } from "./scrape.bench.ts";
import { benchBatches, benchCodecs, benchRecords } from "./wire.bench.ts";

const BENCHES: Readonly<Record<string, () => Promise<void>>> = {
  batches: benchBatches,
  records: benchRecords,
  codecs: benchCodecs,
  forward: benchForward,
  scrape: benchScrape,
  lanes: benchLanes,
  longlink: benchLongLink,
};

const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (BENCHES[name] === undefined) {
    console.error(`bench: unknown benchmark "${name}"; there are ${Object.keys(BENCHES).join(", ")}`);
    process.exit(64);
  }
}
for (const [name, bench] of Object.entries(BENCHES)) {
  if (wanted.length === 0 || wanted.includes(name)) await bench();
}
