/** A topology to begin with: complete, commented, and ready for `tributary up`. */

/** The text of the file. */
export function starterTopology(name: string): string {
  return `# A topology: regions, and mirrors between them. Check it with: tributary topology validate -t ${name}
version: 1
name: ${name}

regions:
  edge:
    # brokers: ["kafka-edge-1:9092", "kafka-edge-2:9092"]   # your own cluster
    local: {brokers: 3}                                     # or one that tributary up starts on this machine
  central:
    local: {brokers: 3}

mirrors:
  - name: edge-to-central
    from: edge                       # or several: [edge, other]
    to: central
    topics:
      include: ["*"]                 # names, globs, or /regular expressions/; internal topics only by their full name
      exclude: ["scratch.*"]
    rename: "{source}.{topic}"       # how topics are called on the target; "{topic}" keeps their names
    groups: {include: ["*"]}         # consumer groups whose positions follow; leave out for none
    start: earliest                  # or latest: of topics that are there already, only what comes from now on
    onGap: stop                      # when retention overtook the mirror: stop, or skip and report what is missing
    # create: {replicationFactor: 3, sync: [cleanup.policy, retention.ms]}
    # compat: mm2                    # also write checkpoints, heartbeats and offset syncs as MirrorMaker 2 does
`;
}
