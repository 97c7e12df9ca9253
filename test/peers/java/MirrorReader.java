import java.time.Duration;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.mirror.MirrorClient;
import org.apache.kafka.connect.mirror.RemoteClusterUtils;

/** Tells what Kafka's own readers of MirrorMaker 2's topics find on a cluster: MirrorReader BOOTSTRAP ALIAS POLICY
 *  PATTERN GROUP... The policy is Default or Identity. The pattern asks for many groups at once, as newer clients can; each question about a single group takes a second. */
public class MirrorReader {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    public static void main(String[] args) throws Exception {
        String alias = args[1];
        Map<String, Object> properties = Map.of("bootstrap.servers", args[0], "source.cluster.alias", alias,
            "replication.policy.class", "org.apache.kafka.connect.mirror." + args[2] + "ReplicationPolicy");
        try (MirrorClient client = new MirrorClient(properties)) {
            System.out.println("hops " + client.replicationHops(alias));
            System.out.println("upstream " + new TreeSet<>(client.upstreamClusters()));
            System.out.println("heartbeats " + new TreeSet<>(client.heartbeatTopics()));
            System.out.println("checkpoints " + new TreeSet<>(client.checkpointTopics()));
            System.out.println("remote " + new TreeSet<>(client.remoteTopics(alias)));
            RemoteClusterUtils.translateOffsets(properties, alias, Pattern.compile(args[3]), TIMEOUT)
                .forEach((group, offsets) -> print("pattern", group, offsets));
            for (int i = 4; i < args.length; i++) {
                print("client", args[i], client.remoteConsumerOffsets(args[i], alias, TIMEOUT));
                print("utils", args[i], RemoteClusterUtils.translateOffsets(properties, alias, args[i], TIMEOUT));
            }
        }
    }

    private static void print(String by, String group, Map<TopicPartition, OffsetAndMetadata> offsets) {
        offsets.forEach((at, commit) -> System.out.println(String.join("\t", by, group, at.topic(),
            Integer.toString(at.partition()), Long.toString(commit.offset()), commit.metadata())));
    }
}
