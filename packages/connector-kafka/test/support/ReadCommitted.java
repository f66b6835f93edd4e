import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Kafka's own consumer as a judge: prints "partition key value" of all that read_committed sees up to the end of now. With "all" it
 * waits for the end of the log: markers of transactions that were committed may be written later, above all after a restart.
 */
class ReadCommitted {
  public static void main(String[] args) {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", args[0]);
    config.put("isolation.level", "read_committed");
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", "none"); // never passes over anything
    config.put("group.id", "judge");
    StringBuilder out = new StringBuilder();
    try (KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
      List<TopicPartition> partitions = new ArrayList<>();
      consumer.partitionsFor(args[1]).forEach(p -> partitions.add(new TopicPartition(args[1], p.partition())));
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends =
          args.length > 2 ? endsOfLogs(new HashMap<>(config), partitions) : consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        consumer.poll(Duration.ofMillis(200)).forEach(
            r -> out.append(r.partition()).append(' ').append(r.key()).append(' ').append(r.value()).append('\n'));
      }
    }
    System.out.print(out);
    System.out.flush();
  }

  private static Map<TopicPartition, Long> endsOfLogs(Map<String, Object> config, List<TopicPartition> partitions) {
    config.put("isolation.level", "read_uncommitted");
    try (KafkaConsumer<String, String> consumer =
        new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
      return consumer.endOffsets(partitions);
    }
  }
}
