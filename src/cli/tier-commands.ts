/** The commands below `tributary tier`, one function each, in the order of the help. */

import { type Command, Option } from "commander";
import {
  byteSize,
  collected,
  duration,
  httpAddress,
  jsonColumns,
  rangeBound,
  rate,
  share,
  time,
  wholeBigint,
  wholeNumber,
} from "./option-values.ts";
import type { Runner } from "./program.ts";

/** Adds them. */
export function addTierCommands(program: Command, run: Runner): void {
  const tier = program.command("tier").description("Cold segments in object stores, from the bucket alone.");
  addOffload(tier, run);

  addLs(tier, run);

  addExplain(tier, run);

  addVerify(tier, run);

  addRepair(tier, run);

  addGc(tier, run);

  addRm(tier, run);

  addExport(tier, run);

  addParquet(tier, run);

  addRestore(tier, run);

  addServe(tier, run);
}

/** The option that all of them have. */
function ofRegion(command: Command): Command {
  return command.option("-r, --region <region>", "only the stores of this region");
}

/** Options of those that need the bucket alone. */
function ofStore(command: Command): Command {
  return ofRegion(command)
    .addOption(
      new Option(
        "--store <url>",
        "this store, whatever is declared: file://path or s3://bucket/prefix; no topology is needed",
      ).conflicts("region"),
    )
    .option("--endpoint <url>", "with --store: another S3 server than AWS");
}

/** Options of those that may be narrowed to a topic. */
function ofTopic(command: Command): Command {
  return command
    .option("--topic <topic>", "only this topic")
    .option("-p, --partition <number>", "only this partition", wholeNumber)
    .option("--topic-id <id>", "only the topic of this id, where there were several of one name");
}

function addOffload(tier: Command, run: Runner): void {
  tier
    .command("offload")
    .summary("move what is cold to the stores, from any Kafka")
    .description(
      "Archives the cold segments of the regions that have tiering rules, reads them back, and then deletes in the cluster what the rules let go. Embedded regions do so by themselves while they run; here they are told to do it now.",
    )
    .option("-r, --region <region>", "only this region")
    .option("--topic <topic>", "only this topic of the rules")
    .addOption(new Option("--once", "one pass, which is the default").conflicts("follow"))
    .option("--follow", "go on until interrupted")
    .addOption(
      new Option("--http <host:port>", "with --follow: serve /metrics, /healthz and /api/status").argParser(
        httpAddress,
      ),
    )
    .option("--close", "close segments although they are not full, so that all there is now is archived")
    .option("--dry-run", "move nothing; tell what would be deleted in the cluster")
    .action(run(async () => (await import("./commands/tier/offload.ts")).tierOffload));
}

function addLs(tier: Command, run: Runner): void {
  ofStore(tier.command("ls").summary("what is archived")).action(
    run(async () => (await import("./commands/tier/ls.ts")).tierLs),
  );
}

function addExplain(tier: Command, run: Runner): void {
  ofRegion(tier.command("explain").summary("why an offset is, or is not, archived, local or restorable"))
    .argument("<topic>")
    .argument("<partition>", "number of the partition", wholeNumber)
    .argument("<offset>", "offset of the record", wholeBigint)
    .action(run(async () => (await import("./commands/tier/explain.ts")).tierExplain));
}

function addVerify(tier: Command, run: Runner): void {
  ofStore(tier.command("verify").summary("whether the archive is whole; exit 2 when it is not"))
    .option("--sample <percent>", "share of the segments whose content is read, for example 5%", share, 1)
    .option("--budget <rate>", "read no faster, for example 50MiB/s or 100GiB/d", rate)
    .option("--limit <size>", "read so much, and go on there the next time, instead of a share of all", byteSize)
    .action(run(async () => (await import("./commands/tier/verify.ts")).tierVerify));
}

function addRepair(tier: Command, run: Runner): void {
  ofTopic(
    ofRegion(tier.command("repair")).summary(
      "mend what is damaged from copies of the same bytes; exit 2 when some is lost",
    ),
  )
    .option("--dry-run", "tell what would be mended, and leave it")
    .action(run(async () => (await import("./commands/tier/repair.ts")).tierRepair));
}

function addGc(tier: Command, run: Runner): void {
  ofStore(tier.command("gc").summary("remove what no manifest names"))
    .option("--grace <duration>", "how long it must have been so (default: 24h)", duration)
    .option("--dry-run", "tell what would be removed, and leave it")
    .action(run(async () => (await import("./commands/tier/gc.ts")).tierGc));
}

function addRm(tier: Command, run: Runner): void {
  ofStore(tier.command("rm").summary("take a topic out of the archive; gc removes its objects after the grace period"))
    .argument("<topic>")
    .option("-p, --partition <number>", "only this partition", wholeNumber)
    .option("--topic-id <id>", "only the topic of this id, where there were several of one name")
    .option("--yes", "do it; without, it is only told what would go")
    .action(run(async () => (await import("./commands/tier/rm.ts")).tierRm));
}

function addParquet(tier: Command, run: Runner): void {
  ofTopic(
    ofStore(tier.command("parquet")).summary(
      "write archived segments as Parquet files for DuckDB, pandas and the like",
    ),
  )
    .option("--to <directory>", "where to (default: below parquet/ in the store itself)")
    .option(
      "--json-columns <columns>",
      "members of JSON values as columns: NAME or NAME:TYPE with commas; string (default), int64, double, boolean",
      jsonColumns,
    )
    .option("--text", "keys and values are UTF-8 text, not bytes; refuses others")
    .option("--overwrite", "write files again that are there")
    .action(run(async () => (await import("./commands/tier/parquet.ts")).tierParquet));
}

function addExport(tier: Command, run: Runner): void {
  ofTopic(ofStore(tier.command("export")).summary("write archived partitions as Kafka's own segment files"))
    .requiredOption("--to <directory>", "where to; TOPIC-PARTITION/ is made below it")
    .action(run(async () => (await import("./commands/tier/export.ts")).tierExport));
}

function addRestore(tier: Command, run: Runner): void {
  ofStore(tier.command("restore").summary("archived topics, or a part of them, back into a cluster"))
    .requiredOption("--into <region>", "the region that gets them")
    .option("--topic <pattern>", "which topics (default: all); may be given again", collected)
    .option("--topic-id <id>", "only the topic of this id, where there were several of one name")
    .option("--cluster <id>", "the archived cluster, where the store holds several")
    .option("--from <bound>", "first offset, or the time of the first record: 2026-01-31T00:00:00Z", rangeBound)
    .option("--until <bound>", "the offset or time to stop in front of", rangeBound)
    .option(
      "--at <time>",
      "all topics as they were then: records up to that time, groups as last captured before",
      time,
    )
    .option("--to <name>", "name on the target; {topic} stands for the archived one (default: the same)")
    .option("--retention <duration>", "retention.ms of the topics that are made", duration)
    .option("--no-groups", "leave consumer groups alone")
    .option("--dry-run", "tell what would be restored, at what cost, and change nothing")
    .action(run(async () => (await import("./commands/tier/restore.ts")).tierRestore));
}

function addServe(tier: Command, run: Runner): void {
  ofStore(tier.command("serve").summary("read an archive with any Kafka client, without a cluster"))
    .option("--topic <pattern>", "only these topics; may be repeated (default: all)", collected)
    .option("--cluster <id>", "only what this cluster archived")
    .option("--host <host>", "where to listen (default: 127.0.0.1)")
    .option("--port <port>", "0 takes a free one", wholeNumber, 9092)
    .option("--cache <size>", "chunks of objects kept on the disk (default: 1GiB)", byteSize)
    .option("--refresh <duration>", "how often new segments are looked for (default: 10s)", duration)
    .option("--at <time>", "everything as it was then, for example 2026-01-31T00:00:00Z, groups too", time)
    .action(run(async () => (await import("./commands/tier/serve.ts")).tierServe));
}
