package dev.millrace.testkit;

import java.io.File;
import java.io.Reader;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.server.ServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperServer;

/**
 * Roles of a Druid cluster in one process: all of them with the ZooKeeper they meet in, or some that join it.
 *
 * <p>Arguments: the folder with one NAME.properties for each role, and, to run ZooKeeper as well, the folder for
 * its data and its port. A role names its command in "millrace.command" and the roles that must be up first in
 * "millrace.after".
 */
public final class DruidLauncher {
  private DruidLauncher() {}

  public static void main(String[] args) throws Exception {
    ParentWatch.install();
    Path configuration = Paths.get(args[0]);
    if (args.length > 1) {
      try {
        startZooKeeper(new File(args[1]), Integer.parseInt(args[2]));
      } catch (Throwable failure) {
        ParentWatch.fail("zookeeper", failure);
      }
      ParentWatch.event("started", "zookeeper");
    }

    List<Path> roles = new ArrayList<>();
    try (var files = Files.newDirectoryStream(configuration, "*.properties")) {
      files.forEach(roles::add);
    }
    Collections.sort(roles); // the Broker and the Coordinator first, for which the others wait
    Map<String, CountDownLatch> started = new HashMap<>();
    CountDownLatch stopped = new CountDownLatch((int) roles.stream().filter(DruidLauncher::isWaitedFor).count());
    for (Path file : roles) {
      started.put(nameOf(file), new CountDownLatch(1));
    }
    // They are made one after the other: two threads that initialise the same classes may wait for each other for ever.
    for (Path file : roles) {
      makeRole(file, started, stopped);
    }
    stopped.await();
    Runtime.getRuntime().halt(ParentWatch.STOPPED);
  }

  private static void startZooKeeper(File folder, int port) throws Exception {
    ZooKeeperServer server = new ZooKeeperServer(folder, folder, 500);
    ServerCnxnFactory factory =
        ServerCnxnFactory.createFactory(new InetSocketAddress("127.0.0.1", port), 1000);
    factory.startup(server);
  }

  /** Not the Indexer, which lets its long polls run into their time-outs, and has nothing to save. */
  private static boolean isWaitedFor(Path role) {
    return !nameOf(role).equals("indexer");
  }

  private static String nameOf(Path file) {
    return file.getFileName().toString().replaceAll("\\.properties$", "");
  }

  /** Makes a role, which starts as soon as those that it comes after have started. */
  private static void makeRole(Path file, Map<String, CountDownLatch> started, CountDownLatch stopped) {
    String name = nameOf(file);
    try {
      Properties properties = new Properties();
      try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
        properties.load(reader);
      }
      String command = (String) properties.remove("millrace.command");
      String after = (String) properties.remove("millrace.after");
      DruidRole role = DruidRole.make(command, properties, () -> {
        if (isWaitedFor(file)) {
          stopped.countDown();
        }
      });
      new Thread(() -> {
        try {
          for (String other : after == null ? new String[0] : after.split(",")) {
            started.get(other).await();
          }
          role.start();
          started.get(name).countDown();
          ParentWatch.event("started", name);
        } catch (Throwable failure) {
          ParentWatch.fail("role " + name, failure);
        }
      }, name).start();
    } catch (Throwable failure) {
      ParentWatch.fail("role " + name, failure);
    }
  }
}
