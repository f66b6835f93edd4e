package dev.millrace.testkit;

import java.io.File;
import java.io.Reader;
import java.net.InetSocketAddress;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.server.ServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperServer;

/**
 * Roles of a Druid cluster in one process: all of them with the ZooKeeper they meet in, or some that join it.
 *
 * <p>Arguments: the folder with one NAME.properties for each role, and, to run ZooKeeper as well, the folder for
 * its data and its port. A role names its command in "millrace.command" and the roles that must be up first in "millrace.after". The class path holds what the roles share; the jars in the
 * system property "millrace.isolated" are loaded once for each role, because Druid and Guice keep a server's servlet
 * pipeline in static fields: with one loader, all resources but the last role's would answer 404.
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

    URL[] isolated = urls(System.getProperty("millrace.isolated"));
    List<Path> roles = new ArrayList<>();
    try (var files = Files.newDirectoryStream(configuration, "*.properties")) {
      files.forEach(roles::add);
    }
    Map<String, CountDownLatch> started = new HashMap<>();
    CountDownLatch stopped = new CountDownLatch((int) roles.stream().filter(DruidLauncher::isWaitedFor).count());
    for (Path file : roles) {
      started.put(nameOf(file), new CountDownLatch(1));
    }
    for (Path file : roles) {
      startRole(file, isolated, started, stopped);
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

  private static void startRole(
      Path file, URL[] isolated, Map<String, CountDownLatch> started, CountDownLatch stopped) throws Exception {
    String name = nameOf(file);
    Properties properties = new Properties();
    try (Reader reader = Files.newBufferedReader(file, StandardCharsets.UTF_8)) {
      properties.load(reader);
    }
    String command = (String) properties.remove("millrace.command");
    String after = (String) properties.remove("millrace.after");
    ClassLoader loader = new URLClassLoader(name, isolated, DruidLauncher.class.getClassLoader());
    Callable<Void> beforeStart = () -> {
      for (String other : after == null ? new String[0] : after.split(",")) {
        started.get(other).await();
      }
      return null;
    };
    Runnable onStarted = () -> {
      started.get(name).countDown();
      ParentWatch.event("started", name);
    };
    Runnable onStopped = () -> {
      if (isWaitedFor(file)) {
        stopped.countDown();
      }
    };
    Thread thread = new Thread(() -> {
      try {
        Thread.currentThread().setContextClassLoader(loader);
        loader.loadClass("dev.millrace.testkit.role.DruidRole")
            .getMethod("run", String.class, Properties.class, Callable.class, Runnable.class, Runnable.class)
            .invoke(null, command, properties, beforeStart, onStarted, onStopped);
      } catch (Throwable failure) {
        ParentWatch.fail("role " + name, failure);
      }
    }, name);
    thread.start();
  }

  private static URL[] urls(String classPath) throws Exception {
    List<URL> urls = new ArrayList<>();
    for (String entry : classPath.split(File.pathSeparator)) {
      urls.add(new File(entry).toURI().toURL());
    }
    return urls.toArray(new URL[0]);
  }
}
