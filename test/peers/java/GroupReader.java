import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** A member of a group: GroupReader BOOTSTRAP GROUP PROTOCOL TOPIC COUNT. Reads COUNT records at least, one by one, prints
 *  partition, offset and value of each, commits behind the last one and leaves; with a COUNT of 0 it reads nothing, commits
 *  nothing, tells when it has partitions, and stays until stdin ends. */
public class GroupReader {
    public static void main(String[] args) throws Exception {
        int count = Integer.parseInt(args[4]);
        Map<String, Object> properties = Map.of(
            "bootstrap.servers", args[0],
            "group.id", args[1],
            "group.protocol", args[2],
            "auto.offset.reset", "earliest",
            "enable.auto.commit", "false",
            "max.poll.records", "1",
            "key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer",
            "value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            consumer.subscribe(List.of(args[3]));
            if (count == 0) stay(consumer);
            for (int read = 0; read < count;) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    System.out.println(record.partition() + "\t" + record.offset() + "\t" + record.value());
                    read++;
                }
            }
            if (count > 0) consumer.commitSync();
        }
    }

    private static void stay(KafkaConsumer<String, String> consumer) throws Exception {
        boolean told = false;
        while (System.in.available() == 0) {
            consumer.poll(Duration.ofMillis(100));
            if (!told && !consumer.assignment().isEmpty()) {
                System.out.println("joined");
                told = true;
            }
        }
    }
}
