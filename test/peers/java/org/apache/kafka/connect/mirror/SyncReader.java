package org.apache.kafka.connect.mirror;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Feeds a topic of offset syncs to MirrorMaker 2's own store and prints what it answers for every offset of a partition:
 *  SyncReader BOOTSTRAP SYNCS_TOPIC TOPIC PARTITION END. In this package because the store's methods are not public. */
public class SyncReader {
    private static class Store extends OffsetSyncStore {
        void opened() {
            readToEnd = true;
        }
    }

    public static void main(String[] args) throws Exception {
        Store store = new Store();
        TopicPartition syncs = new TopicPartition(args[1], 0);
        Map<String, Object> properties = Map.of("bootstrap.servers", args[0]);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(syncs));
            consumer.seekToBeginning(List.of(syncs));
            store.opened();
            while (consumer.position(syncs) < consumer.endOffsets(List.of(syncs)).get(syncs))
                consumer.poll(Duration.ofSeconds(1)).forEach(store::handleRecord);
        }
        TopicPartition at = new TopicPartition(args[2], Integer.parseInt(args[3]));
        for (long offset = 0; offset <= Long.parseLong(args[4]); offset++)
            System.out.println(offset + "\t" + store.translateDownstream("group", at, offset).orElse(-2));
        store.close();
    }
}
