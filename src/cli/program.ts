/** The tree of commands. Bodies are imported when they run, so that `--help` costs only this file. */

import { Command, Option } from "commander";
import { VERSION } from "../core/version.ts";
import { DEFAULT_SERIES_MAX } from "../web/units.ts";
import { type CliContext, createContext, type GlobalOptions } from "./context.ts";
import type { ExitCode } from "./exit-codes.ts";
import { collected, httpAddress, wholeBigint, wholeNumber } from "./option-values.ts";
import { addTierCommands } from "./tier-commands.ts";

/** What a command's module exports: does the work and answers the exit code. */
export type CommandBody<Options, Arguments extends readonly unknown[]> = (
  context: CliContext,
  options: Options,
  ...args: Arguments
) => Promise<ExitCode>;

const EXAMPLES = `
First steps:
  tributary quickstart                              the whole story on four regions of this machine, checked
  tributary up --detach                             start the regions of hub-and-spoke
  tributary mirror run                              copy until interrupted
  echo hello | tributary produce greetings -r us-west
  tributary consume us-west.greetings -r central -n 1
  tributary lag                                     how far behind each lane is
  tributary down --wipe                             stop everything and remove its data`;

/** Builds the tree; `exit` hears the exit code of the command that ran. */
export function buildProgram(exit: (code: ExitCode) => void): Command {
  const program = new Command("tributary")
    .description("Mirrors Kafka topics between regions: byte for byte, exactly once, with exact consumer offsets.")
    .version(VERSION, "-V, --version")
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError(true)
    .addHelpText("after", EXAMPLES);
  addGlobalOptions(program);
  const run = runner(program, exit);
  addRegionCommands(program, run);
  addMirrorCommands(program, run);
  addOffsetCommands(program, run);
  addTopologyCommands(program, run);
  addDataCommands(program, run);
  addTierCommands(program, run);
  for (const command of everyCommand(program)) command.exitOverride().configureOutput(program.configureOutput());
  return program;
}

type Loader<Options, Arguments extends readonly unknown[]> = () => Promise<CommandBody<Options, Arguments>>;
/** Makes an action of a command that is loaded when it is run. */
export type Runner = <Options, Arguments extends readonly unknown[]>(
  load: Loader<Options, Arguments>,
) => (...received: unknown[]) => Promise<void>;

/** Commander hands over the arguments, then the options, then the command. */
function runner(program: Command, exit: (code: ExitCode) => void): Runner {
  return (load) =>
    async (...received) => {
      const options = received.at(-2);
      const args = received.slice(0, -2);
      const body = await load();
      const context = createContext(program.opts<GlobalOptions>());
      exit(await (body as CommandBody<unknown, readonly unknown[]>)(context, options, ...args));
    };
}

function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option(
        "-t, --topology <file|name>",
        "topology file, or its name in topologies/ (default: the only one, or hub-and-spoke)",
      ).env("TRIBUTARY_TOPOLOGY"),
    )
    .addOption(
      new Option("--state <directory>", "where running processes and local data are kept")
        .env("TRIBUTARY_STATE")
        .default(".tributary"),
    )
    .addOption(
      new Option("-o, --output <format>", "form of the data on stdout").choices(["table", "json"]).default("table"),
    )
    .option("-q, --quiet", "only data and errors")
    .addOption(
      new Option("-v, --verbose", "more on stderr, twice for most")
        .default(0)
        .argParser((_, previous: number) => previous + 1),
    );
}

function addRegionCommands(program: Command, run: Runner): void {
  program
    .command("init")
    .summary("write a topology file to begin with, or import one from MirrorMaker 2")
    .argument("[file]", "where to write; by default topologies/NAME.yaml, - is stdout")
    .option("--from <file>", "mm2.properties, a KafkaMirrorMaker2 resource of Strimzi, or connectors as JSON")
    .option("--force", "write over a file that is there")
    .action(run(async () => (await import("./commands/init.ts")).init));
  program
    .command("up")
    .summary("start embedded regions")
    .description(
      "Starts the embedded regions of the topology, each a process with its brokers, and waits; Ctrl-C stops them.",
    )
    .argument("[region...]", "only these")
    .option("-d, --detach", "leave them running in the background")
    .action(run(async () => (await import("./commands/up.ts")).up));
  program
    .command("down")
    .summary("stop embedded regions and the mirror worker")
    .argument("[region...]", "only these")
    .option("--wipe", "also remove their data; asks nothing")
    .action(run(async () => (await import("./commands/down.ts")).down));
  const region = program.command("region", { hidden: true }).description("One embedded region.");
  region
    .command("serve")
    .description("Runs one embedded region in this process until it is told to stop.")
    .argument("<region>")
    .action(run(async () => (await import("./commands/region-serve.ts")).regionServe));
  program
    .command("quickstart")
    .summary("see it work: real flights through four regions, with crashes, checked record by record")
    .option("--keep", "leave the regions up afterwards and print their addresses")
    .action(run(async () => (await import("./commands/quickstart.ts")).quickstart));
}

function addMirrorCommands(program: Command, run: Runner): void {
  const mirror = program.command("mirror").description("Copy topics between regions.");
  mirror
    .command("run")
    .summary("copy until interrupted")
    .description("Runs the mirrors of the topology until interrupted; SIGTERM finishes what is in flight first.")
    .argument("[mirror...]", "only these")
    .addOption(
      new Option(
        "--http <host:port>",
        "serve /metrics, /healthz, /readyz and /api/status; :PORT is this machine only",
      ).argParser(httpAddress),
    )
    .addOption(
      new Option("--metrics-granularity <unit>", "one set of lane metrics for each")
        .choices(["topic", "partition"])
        .default("topic"),
    )
    .option(
      "--metrics-max-series <number>",
      "lanes beyond so many series share topic _other",
      wholeNumber,
      DEFAULT_SERIES_MAX,
    )
    .addOption(
      new Option("--log-format <form>", "form of log lines on stderr").choices(["json", "pretty"]).default("json"),
    )
    .addOption(new Option("--attached", "end when the process that started this one ends").hideHelp())
    .action(
      run(async () => {
        (await import("../runtime/heap-bounds.ts")).boundHeap();
        return (await import("./commands/mirror-run.ts")).mirrorRun;
      }),
    );
  mirror
    .command("adopt")
    .summary("go on where MirrorMaker 2 stopped, without a gap or a repeat")
    .description(
      "Finds each lane's place from MirrorMaker's stored positions and the last records on the target, and shows it; --yes stores it.",
    )
    .argument("[mirror...]", "only these")
    .option("--offsets-topic <topic>", "Connect's offset.storage.topic (default: mm2-offsets.SOURCE.internal)")
    .option("--connect-group <group>", "Connect's group.id, which must be without members (default: SOURCE-mm2)")
    .option("--connector <name>", "only positions of this connector")
    .option("--at <topic/partition=offset>", "decide for an unclear lane; may be given again", collected)
    .option("--yes", "store it, if no lane is unclear")
    .action(run(async () => (await import("./commands/mirror-adopt.ts")).mirrorAdopt));
  mirror
    .command("status")
    .summary("what each flow is doing")
    .argument("[mirror...]", "only these")
    .action(run(async () => (await import("./commands/mirror-status.ts")).mirrorStatus));
  program
    .command("lag")
    .summary("how far behind the copies are")
    .argument("[mirror...]", "only these")
    .addOption(new Option("--by <unit>", "one row for each").choices(["partition", "topic", "flow"]).default("topic"))
    .option("--fail-over <records>", "exit with 2 when a row lags by more records", wholeNumber)
    .action(run(async () => (await import("./commands/lag.ts")).lag));
}

function addOffsetCommands(program: Command, run: Runner): void {
  const offsets = program.command("offsets").description("Where a record of the source is on the target, and back.");
  const lane = (command: Command): Command =>
    command
      .requiredOption("--topic <topic>", "topic on the source")
      .requiredOption("--partition <number>", "partition", wholeNumber)
      .requiredOption("--offset <number>", "the offset to translate", wholeBigint)
      .option("-m, --mirror <name>", "which mirror, when several carry the topic")
      .option("-s, --source <region>", "which source, when the mirror has several")
      .option("--target <region>", "which target, when the mirror has several");
  lane(offsets.command("translate").summary("the target offset of a source offset, exactly"))
    .option("--reverse", "the offset is one of the target; asks for the source's")
    .action(run(async () => (await import("./commands/offsets.ts")).offsetsTranslate));
  lane(offsets.command("explain").summary("the same, with the runs and holes around it"))
    .option("--reverse", "the offset is one of the target; asks for the source's")
    .action(run(async () => (await import("./commands/offsets.ts")).offsetsExplain));
}

function addTopologyCommands(program: Command, run: Runner): void {
  const topology = program.command("topology").description("Check and look at what is declared.");
  topology
    .command("validate")
    .summary("report every mistake of topology files")
    .argument("[file...]", "files or names; by default the topology in use")
    .action(run(async () => (await import("./commands/topology-validate.ts")).topologyValidate));
  topology
    .command("plan")
    .summary("what would change in the running regions, and what is risky; exit 2 when names collide")
    .option("--out <file>", "write the plan, for topology apply")
    .option("-d, --detailed-exitcode", "exit 2 when there are changes")
    .action(run(async () => (await import("./commands/topology-plan.ts")).topologyPlan));
  topology
    .command("apply")
    .summary("make topics and settings as planned; refuses a plan that is out of date")
    .argument("[plan]", "file written by topology plan --out; by default a plan made now")
    .option("--yes", "without a file: do not ask for one")
    .action(run(async () => (await import("./commands/topology-apply.ts")).topologyApply));
  topology
    .command("graph")
    .summary("draw it")
    .addOption(
      new Option("-f, --format <form>", "form of the drawing")
        .choices(["ascii", "mermaid", "dot", "json"])
        .default("ascii"),
    )
    .action(run(async () => (await import("./commands/topology-graph.ts")).topologyGraph));
  topology
    .command("schema")
    .summary("the format as JSON Schema, for editors")
    .action(run(async () => (await import("./commands/topology-schema.ts")).topologySchema));
}

function addDataCommands(program: Command, run: Runner): void {
  program
    .command("produce")
    .summary("write lines of stdin to a topic")
    .argument("<topic>")
    .requiredOption("-r, --region <region>", "region to write to")
    .option("-k, --key-separator <text>", "each line is key, this separator, value")
    .option(
      "--json",
      'each line is {"key":…,"value":…,"headers":{…},"partition":…,"timestamp_ms":…}; value may be any JSON',
    )
    .option("-p, --partition <number>", "write everything to this partition", wholeNumber)
    .addOption(
      new Option("-z, --compression <codec>", "compression")
        .choices(["none", "gzip", "snappy", "lz4", "zstd"])
        .default("none"),
    )
    .action(run(async () => (await import("./commands/produce.ts")).produce));
  program
    .command("consume")
    .summary("read a topic to stdout")
    .argument("<topic>")
    .requiredOption("-r, --region <region>", "region to read from")
    .option("--offset <position>", "start, end, an offset, -N (N before the end), or @ and a time", "start")
    .option("-n, --count <number>", "end after so many records", wholeNumber)
    .option("-e, --exit", "end at what is there now instead of waiting for more")
    .option("-p, --partition <number>", "only this partition", wholeNumber)
    .option(
      "-f, --format <text>",
      "%t topic %p partition %o offset %k key %s value %T timestamp %h headers, \\n \\t",
      "%s\\n",
    )
    .option("--group <id>", "begin at the group's committed offsets, and commit what was printed")
    .option("--json", "one JSON object a line")
    .action(run(async () => (await import("./commands/consume.ts")).consume));
}

function everyCommand(command: Command): readonly Command[] {
  return command.commands.flatMap((child) => [child, ...everyCommand(child)]);
}
