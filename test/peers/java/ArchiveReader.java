import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** What Apache Kafka's own clients make of an archive: ArchiveReader BOOTSTRAP TOPIC COUNT TIME. Prints a line for each fact:
 *  topics, offsets of partition 0 by kind, the offset at TIME, COUNT committed records, and what became of attempts to write. */
public class ArchiveReader {
    private static final String STRINGS = "org.apache.kafka.common.serialization.String";

    public static void main(String[] args) throws Exception {
        TopicPartition partition = new TopicPartition(args[1], 0);
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", args[0]))) {
            System.out.println("topics\t" + admin.listTopics().names().get());
            Map<String, OffsetSpec> kinds = new TreeMap<>(Map.of(
                "earliest", OffsetSpec.earliest(), "latest", OffsetSpec.latest(), "maxTimestamp", OffsetSpec.maxTimestamp(),
                "earliestLocal", OffsetSpec.earliestLocal(), "latestTiered", OffsetSpec.latestTiered()));
            for (Map.Entry<String, OffsetSpec> kind : kinds.entrySet()) {
                long offset = admin.listOffsets(Map.of(partition, kind.getValue())).partitionResult(partition).get().offset();
                System.out.println(kind.getKey() + "\t" + offset);
            }
            attempt("create", () -> admin.createTopics(List.of(new NewTopic("new", 1, (short) 1))).all().get());
            attempt("delete", () -> admin.deleteTopics(List.of(args[1])).all().get());
            attempt("delete records", () -> admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(1))).all().get());
        }
        read(args, partition);
        write(args, Map.of());
        write(args, Map.of("transactional.id", "writer"));
    }

    private static void read(String[] args, TopicPartition partition) {
        Map<String, Object> properties = Map.of(
            "bootstrap.servers", args[0], "group.id", "java", "auto.offset.reset", "earliest",
            "isolation.level", "read_committed", "enable.auto.commit", "false",
            "key.deserializer", STRINGS + "Deserializer", "value.deserializer", STRINGS + "Deserializer");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, Long.parseLong(args[3]))).get(partition);
            System.out.println("at time\t" + found.offset());
            consumer.subscribe(List.of(args[1]));
            for (int read = 0; read < Integer.parseInt(args[2]);) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    System.out.println("record\t" + record.partition() + "\t" + record.offset() + "\t" + record.timestamp() + "\t" + record.value());
                    read++;
                }
            }
            consumer.commitSync();
        }
    }

    private static void write(String[] args, Map<String, Object> more) throws Exception {
        Map<String, Object> properties = new TreeMap<>(Map.of(
            "bootstrap.servers", args[0], "max.block.ms", "20000",
            "key.serializer", STRINGS + "Serializer", "value.serializer", STRINGS + "Serializer"));
        properties.putAll(more);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            if (more.isEmpty()) attempt("produce", () -> producer.send(new ProducerRecord<>(args[1], "no")).get());
            else attempt("transaction", () -> { producer.initTransactions(); return null; });
        }
    }

    private interface Work {
        Object run() throws Exception;
    }

    private static void attempt(String what, Work work) throws Exception {
        try {
            work.run();
            System.out.println(what + "\tdone");
        } catch (Exception error) {
            Throwable cause = error instanceof ExecutionException ? error.getCause() : error;
            System.out.println(what + "\t" + cause.getClass().getSimpleName() + "\t" + cause.getMessage());
        }
    }
}
