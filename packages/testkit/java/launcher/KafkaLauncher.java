package dev.millrace.testkit;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import kafka.Kafka;
import kafka.tools.StorageTool;

/**
 * One Kafka node, broker and controller in one. Arguments: its properties file, its folder of logs, and the id of
 * the cluster, which a folder keeps for life.
 */
public final class KafkaLauncher {
  private KafkaLauncher() {}

  public static void main(String[] args) {
    ParentWatch.install();
    try {
      Path logs = Paths.get(args[1]);
      if (!Files.exists(logs.resolve("meta.properties"))) {
        Files.createDirectories(logs);
        int code = StorageTool.execute(new String[] {"format", "-t", args[2], "-c", args[0]}, System.err);
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
