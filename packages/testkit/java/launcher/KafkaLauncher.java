package dev.millrace.testkit;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import kafka.Kafka;
import kafka.tools.StorageTool;

/**
 * One Kafka node, broker and controller in one. Arguments: its properties file, its folder of logs, and what the
 * folder is formatted with besides, such as the id of the cluster, which a folder keeps for life.
 */
public final class KafkaLauncher {
  private KafkaLauncher() {}

  public static void main(String[] args) {
    ParentWatch.install();
    try {
      Path logs = Paths.get(args[1]);
      if (!Files.exists(logs.resolve("meta.properties"))) {
        Files.createDirectories(logs);
        List<String> format = new ArrayList<>(List.of("format", "-c", args[0]));
        format.addAll(Arrays.asList(args).subList(2, args.length));
        int code = StorageTool.execute(format.toArray(new String[0]), System.err);
        if (code != 0) {
          throw new IllegalStateException("formatting the storage ended with code " + code);
        }
        ParentWatch.event("started", "storage");
      }
      Kafka.main(new String[] {args[0]}); // ends the process itself, with code 1 when it cannot start
    } catch (Throwable failure) {
      ParentWatch.fail("kafka", failure);
    }
  }
}
